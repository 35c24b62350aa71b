"""The released models' numbers, from converted weights.

The full fixtures are compared where the reference data is present, else the extract kept here.
"""

import importlib.util
import os
from pathlib import Path

import check_parity
import fixture_recipe
import pytest
import torch
from released_extracts import EXTRACT, NAMES, extract, load_extract
from released_fixtures import check_eval, check_negatives, check_train


@pytest.fixture(scope='module')
def fixtures() -> dict[str, dict]:
    torch.set_num_threads(1)
    folder = os.environ.get('R2VOS_TEST_DATA')
    if folder:
        return {
            name: torch.load(Path(folder, 'golden', f'{name}.pt'), weights_only=True)
            for name in NAMES
        }
    return load_extract()['fixtures']


def test_outputs_and_verdict(fixtures):
    report = check_eval(fixtures['r2vos_eval'], 'r2vos_eval')
    assert report.holds, report
    assert len(report.rows) > 10


def test_slots_losses_and_gradients(fixtures):
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


def test_extract_is_small_and_part_of_the_fixtures(test_data):
    assert EXTRACT.stat().st_size < 1e6
    kept = torch.load(EXTRACT, weights_only=True)['fixtures']
    for name in NAMES:
        full = torch.load(test_data / 'golden' / f'{name}.pt', weights_only=True)
        assert_same(kept[name], extract(full))


def assert_same(found, expected):
    """Equal nested containers of tensors and numbers."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        found, expected = list(found.values()), list(expected.values())
    if isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for pair in zip(found, expected):
            assert_same(*pair)
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected)
    else:
        assert found == expected


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
