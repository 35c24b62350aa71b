"""The released models' numbers, from converted weights.

The full fixtures are compared where the reference data is present, else the extract in tests/data.
"""

import importlib.util

import check_parity
import fixture_recipe
import pytest
import torch
from released_extracts import EXTRACT, NAMES, assert_same, extract, load_extract, load_fixtures
from released_fixtures import (
    check_eval,
    check_negatives,
    check_train,
    padded_sizes,
    run,
    run_padded,
)
from released_model import released_model


@pytest.fixture(scope='module')
def fixtures() -> dict[str, dict]:
    torch.set_num_threads(1)
    return load_fixtures(NAMES, EXTRACT)


def test_outputs_and_verdict(fixtures):
    report = check_eval(fixtures['r2vos_eval'], 'r2vos_eval')
    assert report.holds, report
    assert len(report.rows) > 10


def test_masks_scores_and_verdict_as_a_user_gets_them(fixtures):
    """Query by the mean score, its logits bilinear to the file's size, probability above 1/2."""
    fixture, size = fixtures['r2vos_eval'], (90, 133)
    result = released_model().segment([fixture['clip']], [fixture['caption']], size)
    out = fixture['out']
    scores = out['pred_logits'][0, ..., 0].sigmoid()
    query = scores.mean(0).argmax()
    logits = torch.nn.functional.interpolate(
        out['pred_masks'][0, :, query, None], size=size, mode='bilinear', align_corners=False
    )
    assert torch.equal(result.ungated_masks[0], logits[:, 0].sigmoid() > 0.5)
    torch.testing.assert_close(result.scores[0], scores[:, query], rtol=0, atol=1e-5)
    is_negative = out['pair_logits'].item() >= 0.5
    assert result.consensus.item() == pytest.approx(1 - out['pair_logits'].item(), abs=1e-5)
    assert result.masks.any() == (not is_negative)


def test_queries_losses_and_gradients(fixtures):
    report = check_train(fixtures['r2vos_train'], 'r2vos_train')
    assert report.holds, report
    assert len(report.rows) > 16


def test_ranks_together(fixtures):
    """Three processes of a clip with its negative caption equal one pass over six pairs."""
    names = [name for name in NAMES if name.startswith('neg')]
    report = check_negatives([fixtures[name] for name in names], names)
    assert report.holds, report
    assert len(report.rows) > 50


@pytest.mark.parametrize('name', ['bb_video_swin_t_T3', 'bb_swin_t_T2'])
def test_backbones(test_data, capsys, name):
    assert check_parity.main(['backbone', str(test_data / 'golden' / f'{name}.pt')]) == 0
    assert capsys.readouterr().out.count('map of stride') == 4


@pytest.mark.parametrize(
    ('sizes', 'cells', 'expected'),
    [
        ([(64, 96)], (16, 24), [(64, 96)]),
        ([(61, 83)], (16, 21), [(61, 83)]),  # ceil(61 / 4) = 16, ceil(83 / 4) = 21: as it is
        ([(61, 83)], (16, 24), [(64, 96)]),  # 24 cells of 4 pixels: padded to 96
        ([(62, 94), (40, 50)], (16, 24), [(64, 96), (62, 94)]),  # either
        ([(33, 33)], (12, 12), [(48, 48)]),  # padded otherwise
    ],
)
def test_padding_is_read_off_the_masks(sizes, cells, expected):
    clips = [torch.zeros(1, 3, *size) for size in sizes]
    assert padded_sizes(clips, torch.zeros(2, 1, 5, *cells)) == expected


@torch.no_grad()
def test_padding_that_masks_do_not_tell_is_read_off_the_scores():
    """Clips of several sizes and captions of several lengths, once padded and once not."""
    torch.set_num_threads(1)
    model = released_model(batch_padding=True)
    clips = [fixture_recipe.clip(1, 2, 30, 62), fixture_recipe.clip(2, 2, 23, 41)]
    captions = ['a dog', 'the man who is on the left side']
    for size in ((32, 64), (30, 62)):
        stored = run(model, clips, captions, [0, 1], size=size, first_padding=True)
        layer = stored.layers[-1]
        out = dict(pred_masks=layer.masks, pred_logits=layer.scores[..., None])
        found = run_padded(model, clips, captions, [0, 1], out)
        torch.testing.assert_close(found.layers[-1].scores, layer.scores)
        torch.testing.assert_close(found.cycle.reconstructed, stored.cycle.reconstructed)


def test_extract_is_small_and_part_of_the_fixtures(test_data):
    assert EXTRACT.stat().st_size < 1e6
    kept = torch.load(EXTRACT, weights_only=True)['fixtures']
    for name in NAMES:
        full = torch.load(test_data / 'golden' / f'{name}.pt', weights_only=True)
        assert_same(kept[name], extract(full))


def test_recipe_is_that_of_the_reference_data(test_data):
    spec = importlib.util.spec_from_file_location('recipe', test_data / 'golden/recipe.py')
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    assert fixture_recipe.ROBERTA == recipe.ROBERTA
    for name, shape in load_extract()['names'].items():
        shape = shape[:1] + tuple(min(size, 3) for size in shape[1:])
        if shape and shape[0] < 3000:
            assert torch.equal(
                fixture_recipe.fill(name, shape), recipe.fill(recipe.canonical(name), shape)
            ), name
    sentences = ['a small dog', 'the man who is on the left side']
    ours, theirs = fixture_recipe.WordTokenizer()(sentences), recipe.WordTokenizer()(sentences)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert torch.equal(fixture_recipe.clip(5, 2, 8, 6), recipe.clip(5, 2, 8, 6))


def test_program_fails_when_a_number_is_off(tmp_path, capsys, fixtures):
    fixture = dict(fixtures['r2vos_eval'])
    torch.save(fixture, tmp_path / 'good.pt')
    verdict = fixture['out']['pair_logits']
    torch.save(
        dict(fixture, out=dict(fixture['out'], pair_logits=verdict + 1e-4)), tmp_path / 'off.pt'
    )
    torch.save(
        dict(fixture, out=dict(fixture['out'], pair_logits=verdict[0])), tmp_path / 'shape.pt'
    )
    assert check_parity.main(['r2vos-eval', str(tmp_path / 'good.pt')]) == 0
    assert 'FAIL' not in capsys.readouterr().out
    for name in ('off', 'shape'):
        assert check_parity.main(['r2vos-eval', str(tmp_path / f'{name}.pt')]) == 1
        failed = [line for line in capsys.readouterr().out.splitlines() if 'FAIL' in line]
        assert len(failed) == 1
        assert 'verdict' in failed[0]
    assert check_parity.main(['r2vos-eval', str(tmp_path / 'nowhere.pt')]) == 2
