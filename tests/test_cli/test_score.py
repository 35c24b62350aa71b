import csv
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import mask_sets  # noqa: E402
import numpy as np
import pytest
from mask_sets import EMPTY, FRAMES, HALF, LEFT, MEAN_J, RIGHT, code, save  # noqa: E402
from PIL import Image
from public_sets import square
from robust_sets import FRAMES as LONG_FRAMES
from robust_sets import write_long_rvos
from samples import evaluate, random_sample
from scripts import load_script

from r2vos_mm.cli import score
from r2vos_mm.evaluation.metrics.metric_values import EvalSet, as_dictionary, metric_values
from r2vos_mm.evaluation.metrics.scores_csv import read_pairs

evaluate_masks = load_script('analysis_tools/evaluate_masks.py')


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    mask_sets.write_truth(tmp_path)
    return tmp_path


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    return mask_sets.write_predictions(tmp_path / 'predictions')


def run(pred: Path, truth: Path, *options: str) -> dict[str, float]:
    """Values of the tool by key."""
    report = truth / 'report.json'
    arguments = [str(pred), str(truth / 'Annotations'), '--json', str(report), '--processes', '1']
    if '--protocol' not in options or 'davis' not in ' '.join(options):
        arguments += ['--expressions', str(truth / 'meta_expressions.json')]
    evaluate_masks.main([*arguments, *options])
    return values_in(report)


def values_in(report: Path) -> dict[str, float | None]:
    return {f['key']: f['value'] for f in json.loads(report.read_text())['figures']}


def run_unread(pred: Path, truth: Path, *options: str) -> dict[str, float | None]:
    """Values of the tool by key, None for NaN; it ends with status 2."""
    with pytest.raises(SystemExit) as caught:
        run(pred, truth, *options)
    assert caught.value.code == 2
    return values_in(truth / 'report.json')


def test_folder(truth, predictions, capsys):
    values = run(predictions, truth)
    assert values['J'] == pytest.approx(MEAN_J)
    output = capsys.readouterr().out
    assert 'protocol per_expression (all frames, mean over pairs): 3 pairs' in output
    assert 'problems' not in output
    assert 'gate' not in output


def test_all_forms_of_predictions_and_two_processes_agree(truth, predictions):
    expected = run(predictions, truth)
    (truth / 'nested').mkdir()
    predictions.rename(truth / 'nested' / 'Annotations')
    for form in (
        truth / 'nested',
        mask_sets.write_zip(truth / 'plain.zip'),
        mask_sets.write_zip(truth / 'nested.zip', top='Annotations/'),
        mask_sets.write_codes(truth / 'codes.json'),
    ):
        assert run(form, truth) == expected
    assert run(truth / 'plain.zip', truth, '--processes', '2') == expected


def test_protocols_and_groups(truth, predictions):
    values = run(
        predictions, truth, '--protocol', 'per_expression', 'from_first_appearance',
        '--groups', 'presence', 'no_target',
    )  # fmt: skip
    # b/0 counts from its second frame on, with J = 1 as before
    assert values['from_first_appearance/J'] == pytest.approx(MEAN_J)
    # a/0 2 of 2, a/1 1 of 2, b/0 1 of 1
    assert values['tIoU'] == pytest.approx(100 * (1 + 0.5 + 1) / 3)
    assert values['T_acc'] == 100


def test_what_is_missing_is_unknown_or_empty(truth, predictions, capsys):
    for frame in FRAMES:
        (predictions / 'b' / '0' / f'{frame}.png').unlink()
    (predictions / 'b' / '0').rmdir()
    (predictions / 'a' / '1' / '00000.png').unlink()
    listed = truth / 'missing.txt'
    values = run_unread(predictions, truth, '--missing', str(listed))
    assert values['J'] is values['F_recall'] is values['from_first_appearance/J&F'] is None
    lines = listed.read_text().splitlines()
    assert lines == [
        'a/1: 1 of 2 frames missing: 00000 -> not scored',
        'b/0: no predictions -> not scored',
    ]
    output = capsys.readouterr()
    assert output.out.startswith('2 predictions missing or unreadable: metrics that they touch are')
    assert output.err.endswith('error: 2 predictions were not read\n')
    values = run(predictions, truth, '--missing-is-empty', '--strict')
    # b/0 is right to be empty in its first frame
    assert values['J'] == pytest.approx(100 * (0.75 + 0 + 0.5) / 3)
    output = capsys.readouterr().out
    assert '2 predictions missing or unreadable: they count as empty' in output
    assert 'b/0: no predictions -> counted as empty' in output


def test_unread_pairs_stay_unread_in_csv_files(truth, predictions, capsys):
    (predictions / 'a' / '1' / '00000.png').unlink()
    first, second = truth / 'first.csv', truth / 'second.csv'
    run_unread(predictions, truth, '--csv', str(first))
    run(predictions, truth, '--csv', str(second), '--missing-is-empty')
    values = as_dictionary(metric_values(EvalSet(read_pairs(first))))
    assert np.isnan(values['J'])
    assert not np.isnan(as_dictionary(metric_values(EvalSet(read_pairs(second))))['J'])
    with pytest.raises(SystemExit) as caught:
        evaluate_masks.main(['--compare', str(first), str(second)])
    assert caught.value.code == 2
    line = next(text for text in capsys.readouterr().out.splitlines() if text[:2] == 'J ')
    assert line.split()[1] == 'nan'


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:40]), 'is not a complete image'),
        (lambda path: save(path, LEFT, 'RGB'), 'mode RGB has no object ids'),
        (lambda path: save(path, LEFT[:, :-1]), 'size (20, 49), the annotation has (20, 50)'),
    ],
)
def test_a_broken_mask_costs_its_frame_only(truth, predictions, capsys, spoil, message):
    spoil(predictions / 'a' / '0' / '00000.png')
    assert run_unread(predictions, truth)['J'] is None
    values = run(predictions, truth, '--missing-is-empty')
    assert values['J'] == pytest.approx(100 * (0.25 + 0.5 + 1) / 3)
    output = capsys.readouterr().out
    assert 'a/0/00000: ' in output
    assert message in output


def test_strict(truth, predictions):
    run(predictions, truth, '--strict')
    save(predictions / 'a' / '0' / '00000.png', 90 * LEFT + 60 * HALF)
    with pytest.raises(SystemExit) as caught:
        run(predictions, truth, '--strict', '--csv', str(truth / 'rows.csv'))
    assert caught.value.code == 1
    assert len((truth / 'rows.csv').read_text().splitlines()) == 4


def test_a_broken_annotation_is_not_scored(truth, predictions, capsys):
    save(truth / 'Annotations' / 'b' / '00000.png', LEFT, 'RGB')
    assert run_unread(predictions, truth)['J'] == pytest.approx(100 * (0.75 + 0.5) / 2)
    output = capsys.readouterr()
    assert '1 videos whose annotation cannot be used: the metrics leave them out' in output.out
    assert 'video not scored' in output.out
    assert 'error: the annotation of 1 videos was not read' in output.err


def test_what_is_done_survives_an_interruption(truth, predictions, monkeypatch):
    def interrupted(scorer, tasks, *files, processes):
        yield replace(scorer(tasks[0], *files), video=tasks[0].video)
        raise KeyboardInterrupt

    rows = ['--csv', str(truth / 'rows.csv')]
    with monkeypatch.context() as patch:
        patch.setattr(score, 'score_videos', interrupted)
        with pytest.raises(SystemExit):
            run(predictions, truth, *rows)
    with (truth / 'rows.partial.csv').open() as file:
        assert [line['pair_id'] for line in csv.DictReader(file)] == ['a/0/p', 'a/1/p']
    run(predictions, truth, *rows)
    assert not (truth / 'rows.partial.csv').exists()


def test_masks_of_0_and_255_are_no_ids(truth, predictions, capsys):
    for frame in FRAMES:
        save(truth / 'Annotations' / 'b' / f'{frame}.png', 255 * LEFT)
    assert run_unread(predictions, truth)['J'] == pytest.approx(100 * (0.75 + 0.5) / 2)
    output = capsys.readouterr().out
    assert 'Annotations/b has no object ids, but the value 255 (frame 00000)' in output


def test_an_object_that_no_frame_has_is_told(truth, predictions, capsys):
    for frame in FRAMES:
        save(truth / 'Annotations' / 'a' / f'{frame}.png', LEFT)
    run(predictions, truth)
    assert 'a/1: object 2 is in no frame of the annotation -> scored as' in capsys.readouterr().out


def test_masks_of_16_bits_are_refused(truth, predictions, capsys):
    Image.fromarray(LEFT.astype(np.uint16)).save(predictions / 'a' / '0' / '00000.png')
    assert run_unread(predictions, truth)['J'] is None
    assert 'mode I;16 has no object ids' in capsys.readouterr().out


def test_visa(truth, predictions):
    values = run(predictions, truth, '--groups', 'visa')
    # All predictions lie inside of their objects
    assert values['visa_R'] == 100
    for frame in FRAMES:
        save(predictions / 'a' / '0' / f'{frame}.png', LEFT + RIGHT)
    # a/0 now has 100 wrong of 200 annotated pixels
    assert run(predictions, truth, '--groups', 'visa')['visa_R'] == pytest.approx(
        100 * (0.5 + 1 + 1) / 3
    )


def test_negative_pairs(truth, predictions):
    rows = [
        {'pair_id': 'a/0/p', 'video': 'a', 'exp_video': 'a', 'exp_id': '0', 'exp': 'left',
         'obj_id': '1', 'label': 1, 'kind': 'positive', 'rank': 0},
        {'pair_id': 'a/0/n0', 'video': 'b', 'exp_video': 'a', 'exp_id': '0', 'exp': 'left',
         'obj_id': '1', 'label': 0, 'kind': 'easy', 'rank': 0},
    ]  # fmt: skip
    pairs = truth / 'pairs.json'
    pairs.write_text(json.dumps({'format': 'r2-pairs/1', 'pairs': rows}))
    for frame, mask in zip(FRAMES, (EMPTY, HALF)):
        save(predictions / 'b' / 'a_0_n0' / f'{frame}.png', mask)
    values = run(predictions, truth, '--pairs', str(pairs))
    # 50 pixels on the negative, 100 + 50 on the positive
    assert values['R'] == values['R/easy'] == pytest.approx(100 * (1 - 50 / 150))
    assert values['J'] == pytest.approx(75)


@pytest.mark.parametrize(
    ('row', 'message'),
    [
        ({'label': 0}, "row 1 has no text 'pair_id'"),
        (
            {'pair_id': 'a/0/p', 'video': 'a', 'exp_id': '0', 'exp': 'left', 'obj_id': '1',
             'label': 1, 'kind': 'positive'},
            "row 1 pair id 'a/0/p' occurs twice",
        ),
    ],
)  # fmt: skip
def test_wrong_pairs(truth, predictions, capsys, row, message):
    first = {'pair_id': 'a/0/p', 'video': 'a', 'exp_id': '0', 'exp': 'left', 'obj_id': '1',
             'label': 1, 'kind': 'positive'}  # fmt: skip
    pairs = truth / 'pairs.json'
    pairs.write_text(json.dumps({'format': 'r2-pairs/1', 'pairs': [first, row]}))
    with pytest.raises(SystemExit):
        run(predictions, truth, '--pairs', str(pairs))
    assert message in capsys.readouterr().err


def test_mevis(tmp_path: Path, capsys: pytest.CaptureFixture):
    root = tmp_path / 'valid_u'
    root.mkdir()
    videos = {'m': {'frames': ['00000', '00001'], 'expressions': {
        '0': {'exp': 'both', 'obj_id': [0, 1], 'anno_id': [7, 8]},
        '1': {'exp': 'nobody', 'obj_id': [], 'anno_id': []}}}}  # fmt: skip
    (root / 'meta_expressions.json').write_text(json.dumps({'videos': videos}))
    codes = {'7': [code(LEFT), None], '8': [code(RIGHT), code(RIGHT)]}
    (root / 'mask_dict.json').write_text(json.dumps(codes))
    for frame in ('00000', '00001'):
        save(tmp_path / 'pred' / 'm' / '0' / f'{frame}.png', RIGHT)
        save(tmp_path / 'pred' / 'm' / '1' / f'{frame}.png', EMPTY)
    report = tmp_path / 'report.json'
    evaluate_masks.main(
        [str(tmp_path / 'pred'), str(root), '--json', str(report), '--groups', 'no_target']
    )
    values = values_in(report)
    # Sentence 0: 100 / 200 and 1; sentence 1: silent is right
    assert values['J'] == pytest.approx(100 * (0.75 + 1) / 2)
    assert values['N_acc'] == values['T_acc'] == 100
    assert values['mevis'] == pytest.approx((values['J&F'] + 200) / 3)
    # The same as pairs: the target is that of the sentence, whatever object a row names.
    rows = [
        {'pair_id': 'm/0/p', 'video': 'm', 'exp_id': '0', 'exp': 'both', 'obj_id': '1',
         'label': 1, 'kind': 'positive'},
        {'pair_id': 'm/0/n0', 'video': 'm', 'exp_video': 'm', 'exp_id': '1', 'exp': 'nobody',
         'rank': 0, 'label': 0, 'kind': 'no_target'}]  # fmt: skip
    pairs = tmp_path / 'pairs.json'
    pairs.write_text(json.dumps({'format': 'r2-pairs/1', 'pairs': rows}))
    (tmp_path / 'pred/m/1').rename(tmp_path / 'pred/m/m_1_n0')
    evaluate_masks.main(
        [str(tmp_path / 'pred'), str(root), '--pairs', str(pairs), '--json', str(report)]
    )
    values = values_in(report)
    assert (values['J'], values['R']) == (pytest.approx(75), pytest.approx(100))
    rows[0]['exp'] = 'both of them'
    pairs.write_text(json.dumps({'format': 'r2-pairs/1', 'pairs': rows}))
    with pytest.raises(SystemExit):
        evaluate_masks.main([str(tmp_path / 'pred'), str(root), '--pairs', str(pairs)])
    assert 'of different versions' in capsys.readouterr().err


def test_davis_unsup(truth, tmp_path: Path):
    # The annotators: right, ids swapped, one object, nothing. 255 in the annotation is void.
    void = LEFT + 2 * RIGHT
    void[15:] = 255
    for frame in FRAMES:
        save(truth / 'Annotations' / 'a' / f'{frame}.png', void)
        for k, mask in enumerate((LEFT + 2 * RIGHT, RIGHT + 2 * LEFT, LEFT, EMPTY)):
            mask = mask.copy()
            mask[16:18] = 2
            save(tmp_path / 'pred' / f'anno_{k}' / 'a' / f'{frame}.png', mask)
    (truth / 'Annotations' / 'b' / '00000.png').unlink()
    (truth / 'Annotations' / 'b' / '00005.png').unlink()
    values = run(tmp_path / 'pred', truth, '--protocol', 'davis_unsup')
    assert [values[f'J&F/annotator{k}'] for k in range(4)] == [100, 100, 50, 0]
    assert values['J'] == pytest.approx(62.5)


def test_davis_unsup_takes_ids_and_no_more_than_twenty(truth, tmp_path: Path, capsys):
    # The annotators: 0/255, an id of 21, right, an id that comes late
    for name in ('00000', '00005'):
        (truth / 'Annotations' / 'b' / f'{name}.png').unlink()
    late = LEFT + 2 * RIGHT
    late[18:] = 3
    for k, (first, second) in enumerate(
        [(255 * LEFT,) * 2, (21 * LEFT,) * 2, (LEFT + 2 * RIGHT,) * 2, (LEFT + 2 * RIGHT, late)]
    ):
        for frame, mask in zip(FRAMES, (first, second)):
            save(tmp_path / 'pred' / f'anno_{k}' / 'a' / f'{frame}.png', mask)
    values = run(tmp_path / 'pred', truth, '--protocol', 'davis_unsup')
    assert [values[f'J&F/annotator{k}'] for k in range(4)] == [0, 0, 100, 100]
    output = capsys.readouterr().out
    assert 'anno_0/a: value 255 in 2 frames where object ids are expected' in output
    assert 'anno_1/a: 21 proposals, the protocol takes at most 20 -> counted as empty' in output


def test_davis_semi(truth, tmp_path: Path):
    names = ['00000', '00001', '00002']
    for name, mask in zip(names, (EMPTY, HALF, EMPTY)):
        save(tmp_path / 'gt' / 'Annotations' / 'v' / f'{name}.png', LEFT)
        save(tmp_path / 'pred' / 'v' / f'{name}.png', 255 * mask)
    assert run(tmp_path / 'pred', tmp_path / 'gt', '--protocol', 'davis_semi')['J'] == 50


def test_coco_results(tmp_path: Path, capsys):
    # (I, U) = (100, 100) and (50, 100); a third image has no masks
    images = [{'id': f'v_{i}', 'height': 20, 'width': 50} for i in range(3)]
    annotations = [
        {'id': i + 1, 'image_id': f'v_{i}', 'category_id': 1, 'iscrowd': 0, 'area': 100,
         'segmentation': code(LEFT)} for i in range(3)]  # fmt: skip
    truth, results = tmp_path / 'truth.json', tmp_path / 'results.json'
    content = {'images': images, 'annotations': annotations, 'categories': [{'id': 1}]}
    truth.write_text(json.dumps(content))
    masks = [('v_0', RIGHT, 0.1), ('v_0', LEFT, 0.9), ('v_1', HALF, 0.5), ('x', LEFT, 1.0)]
    results.write_text(
        json.dumps(
            [{'image_id': i, 'segmentation': code(mask), 'score': s} for i, mask, s in masks]
        )
    )
    report, rows = tmp_path / 'report.json', tmp_path / 'rows.csv'
    arguments = [str(results), str(truth), '--protocol', 'a2d', '--json', str(report)]
    with pytest.raises(SystemExit) as caught:
        evaluate_masks.main(arguments)
    assert caught.value.code == 2
    assert {values_in(report)[key] for key in ('oIoU', 'mAP', 'released/P@0.5')} == {None}
    evaluate_masks.main([*arguments, '--csv', str(rows), '--missing-is-empty'])
    values = values_in(report)
    assert values['oIoU'] == pytest.approx(100 * 150 / 300)
    assert values['mIoU'] == pytest.approx(100 * (1 + 0.5 + 0) / 3)
    assert values['P@0.5'] == pytest.approx(100 / 3)
    # (50 + 1e-6) / (100 + 1e-6) is .5 in float32
    assert values['released/P@0.5'] == pytest.approx(100 / 3)
    # .50: ranks right, right, wrong: recall 2/3 -> 67 points; above: recall 1/3 -> 34 points
    assert values['mAP'] == pytest.approx(100 * (67 / 101 + 9 * 34 / 101) / 10)
    assert 'mAP_top1' not in values
    output = capsys.readouterr().out
    assert 'the annotations have no such image' in output
    assert 'image v_2: no masks' in output
    with rows.open() as file:
        assert [line['J'] for line in csv.DictReader(file)] == ['1.0', '0.5', '0.0']


def test_a_score_that_is_nan_is_refused(tmp_path: Path, capsys):
    truth, results = tmp_path / 'truth.json', tmp_path / 'results.json'
    image = {'id': 4, 'height': 20, 'width': 50}
    truth.write_text(json.dumps({'images': [image], 'annotations': [], 'categories': []}))
    entry = {'image_id': 4, 'segmentation': code(LEFT), 'score': float('nan')}
    results.write_text(json.dumps([entry]))
    with pytest.raises(SystemExit):
        evaluate_masks.main([str(results), str(truth), '--protocol', 'refcoco'])
    assert 'image 4: the score is nan' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['{p}'], 'PRED and GT are required'),
        (['{p}/nothing', '{t}/Annotations', '--expressions', '{t}/meta_expressions.json'],
         'nothing does not exist'),
        (['{p}', '{t}/Annotations'], 'give the expressions with --expressions'),
        (['{p}', '{t}/Annotations', '--protocol', 'a2d', 'davis_semi'], 'run it alone'),
        (['{p}', '{p}/a/0', '--protocol', 'davis_semi'], 'no folders of PNGs'),
    ],
)  # fmt: skip
def test_mistakes_give_one_line(truth, predictions, capsys, arguments, message):
    with pytest.raises(SystemExit):
        evaluate_masks.main([text.format(p=predictions, t=truth) for text in arguments])
    assert message in capsys.readouterr().err


def test_sentences_without_objects_are_refused(truth, predictions, capsys):
    videos = {'a': {'expressions': {'0': {'exp': 'left'}}, 'frames': FRAMES}}
    (truth / 'meta_expressions.json').write_text(json.dumps({'videos': videos}))
    with pytest.raises(SystemExit):
        run(predictions, truth)
    assert "video 'a', expression '0' has no obj_id" in capsys.readouterr().err


class TestCompare:
    def test_predictions(self, truth, predictions, capsys):
        other = truth / 'other'
        for folder in mask_sets.PREDICTIONS:
            for frame in FRAMES:
                save(other / folder / f'{frame}.png', EMPTY)
        evaluate_masks.main(
            [str(truth / 'Annotations'), '--compare', str(predictions), str(other), '--processes',
             '1', '--expressions', str(truth / 'meta_expressions.json')]
        )  # fmt: skip
        line = next(text for text in capsys.readouterr().out.splitlines() if text[:2] == 'J ')
        # Empty predictions are right in one frame of b/0. Drawing a twice: .625 - 0; b twice: .5
        assert line.split() == ['J', '75.00', '16.67', '+58.33', '[+50.00,', '+62.50]', '*']

    def test_csvs(self, truth, predictions, capsys):
        rows = truth / 'rows.csv'
        run(predictions, truth, '--csv', str(rows))
        capsys.readouterr()
        evaluate_masks.main(['--compare', str(rows), str(rows)])
        line = next(text for text in capsys.readouterr().out.splitlines() if text[:4] == 'J&F ')
        assert line.split()[3:] == ['+0.00', '[+0.00,', '+0.00]']

    def test_other_pairs_are_refused(self, truth, predictions, capsys):
        first, second = truth / 'first.csv', truth / 'second.csv'
        run(predictions, truth, '--csv', str(first))
        lines = first.read_text().splitlines(keepends=True)
        second.write_text(''.join(lines[:-1]))
        with pytest.raises(SystemExit):
            evaluate_masks.main(['--compare', str(first), str(second)])
        assert "1 are in one of them only, such as 'b/0/p'" in capsys.readouterr().err


def test_published_means(test_data: Path, tmp_path: Path):
    # The folders hold the scored frames only, so all of them count.
    folder = test_data / 'data' / 'jf_crosscheck'
    published = json.loads((folder / 'published.json').read_text())['sequences']['dog']
    expressions = tmp_path / 'meta_expressions.json'
    frames = published['frames']
    entry = {'expressions': {'0': {'exp': 'dog', 'obj_id': '1'}}, 'frames': frames}
    expressions.write_text(json.dumps({'videos': {'dog': entry}}))
    (tmp_path / 'pred' / 'dog').mkdir(parents=True)
    (tmp_path / 'pred' / 'dog' / '0').symlink_to(folder / 'osvos' / 'dog')
    report = tmp_path / 'report.json'
    evaluate_masks.main(
        [str(tmp_path / 'pred'), str(folder / 'gt'), '--expressions', str(expressions), '--json',
         str(report), '--processes', '1']
    )  # fmt: skip
    values = values_in(report)
    assert values['J'] == pytest.approx(100 * np.mean(published['J']), abs=0.05)
    assert values['F'] == pytest.approx(100 * np.mean(published['F']), abs=0.05)
    with Image.open(folder / 'gt' / 'dog' / f'{frames[0]}.png') as image:
        assert image.mode == '1'


class TestUnread:
    """Metrics that depend on predictions which were not read are NaN, the others are not."""

    @pytest.fixture
    def pairs(self, truth, predictions) -> Path:
        """Two positives with a negative each, of two kinds, and one positive without."""
        rows = [
            {'pair_id': f'{video}/{exp_id}/p', 'video': video, 'exp_video': video,
             'exp_id': exp_id, 'exp': 'x', 'obj_id': obj_id, 'label': 1, 'kind': 'positive',
             'rank': 0}
            for video, exp_id, obj_id in (('a', '0', '1'), ('a', '1', '2'), ('b', '0', '1'))
        ]  # fmt: skip
        for number, kind in enumerate(('easy', 'hard')):
            other = rows[number] | {'video': 'b', 'label': 0, 'kind': kind}
            rows.append(other | {'pair_id': f'a/{number}/n0'})
            for frame in FRAMES:
                save(predictions / 'b' / f'a_{number}_n0' / f'{frame}.png', HALF)
        path = truth / 'pairs.json'
        path.write_text(json.dumps({'format': 'r2-pairs/1', 'pairs': rows}))
        return path

    def options(self, pairs: Path) -> list[str]:
        return ['--pairs', str(pairs), '--groups', 'no_target', 'presence', 'visa']

    def test_a_missing_negative_is_no_good_answer(self, truth, predictions, pairs):
        (predictions / 'b' / 'a_0_n0' / '00005.png').unlink()
        values = run_unread(predictions, truth, *self.options(pairs))
        nan = {key for key, value in values.items() if value is None}
        assert nan == {
            *('R', 'R_frac', 'R_pair', 'R_clipped', 'R/easy', 'N_acc', 'S', 'gIoU', 'cIoU'),
            *('mevis', 'J&F&R', 'visa_R/reasoning', 'from_first_appearance/J&F&R'),
            *('from_first_appearance/mevis', 'IL_MCC', 'IL_FPR'),
            *('cgF1', 'cgF1@0.5', 'cgF1@0.75'),
        }
        assert values['J'] == pytest.approx(MEAN_J)
        # a/1: 100 pixels on the positive, 100 on the negative
        assert values['R/hard'] == 0

    def test_a_missing_positive_leaves_the_rest(self, truth, predictions, pairs):
        (predictions / 'b' / '0' / '00005.png').unlink()
        values = run_unread(predictions, truth, *self.options(pairs))
        assert values['J'] is values['T_acc'] is values['tIoU'] is values['visa_J'] is None
        assert values['pmF1'] is values['IL_MCC'] is values['cgF1'] is None
        # b/0 has no negative, and R does not depend on it
        assert values['R'] == pytest.approx(100 * (1 - 200 / 250))
        assert values['N_acc'] == 0

    def test_missing_is_empty(self, truth, predictions, pairs, capsys):
        for frame in FRAMES:
            (predictions / 'b' / 'a_0_n0' / f'{frame}.png').unlink()
        values = run(predictions, truth, *self.options(pairs), '--missing-is-empty', '--strict')
        assert values['R/easy'] == 100
        output = capsys.readouterr().out
        assert output.startswith('1 predictions missing or unreadable: they count as empty')

    def test_a_missing_set_of_expressions(self, truth, tmp_path):
        for name in ('00000', '00005'):
            (truth / 'Annotations' / 'b' / f'{name}.png').unlink()
        for k in (0, 2):
            for frame in FRAMES:
                save(tmp_path / 'pred' / f'anno_{k}' / 'a' / f'{frame}.png', LEFT + 2 * RIGHT)
        values = run_unread(tmp_path / 'pred', truth, '--protocol', 'davis_unsup')
        sets = [values[f'J&F/annotator{k}'] for k in range(4)]
        assert sets == [100, None, 100, None]
        assert values['J'] is values['J_decay'] is None

    def test_missing_objects_of_davis_semi(self, truth, tmp_path):
        for name in ('00000', '00001', '00002'):
            save(tmp_path / 'gt' / 'v' / f'{name}.png', LEFT)
            save(tmp_path / 'pred' / 'v' / f'{name}.PNG', 255 * LEFT)
        (tmp_path / 'pred' / 'v' / '00001.PNG').unlink()
        arguments = [str(tmp_path / 'pred'), str(tmp_path / 'gt'), '--protocol', 'davis_semi']
        with pytest.raises(SystemExit) as caught:
            evaluate_masks.main([*arguments, '--json', str(tmp_path / 'report.json')])
        assert caught.value.code == 2
        assert values_in(tmp_path / 'report.json')['J'] is None

    def test_lists_of_codes_have_one_entry_per_frame(self, truth, capsys):
        path = mask_sets.write_codes(truth / 'codes.json')
        content = json.loads(path.read_text())
        content['b']['0'].append(None)
        (truth / 'longer.json').write_text(json.dumps(content))
        assert run_unread(truth / 'longer.json', truth)['J'] is None
        assert 'b/0: 3 masks for 2 frames -> not scored' in capsys.readouterr().out

    def test_a_worker_that_dies_ends_the_run(self, truth, predictions, monkeypatch, capsys):
        monkeypatch.setattr(score, 'score_expressions', die)
        with pytest.raises(SystemExit) as caught:
            run(predictions, truth, '--processes', '2')
        assert caught.value.code == 2
        assert 'a worker process died' in capsys.readouterr().err


def die(task, *files, reading):
    os.kill(os.getpid(), signal.SIGKILL)


class TestFolders:
    def test_nothing_is_scored_from_folders_that_do_not_match(self, truth, predictions, capsys):
        (predictions / 'a').rename(predictions / 'video_a')
        (predictions / 'b').rename(predictions / 'video_b')
        with pytest.raises(SystemExit) as caught:
            run(predictions, truth)
        assert caught.value.code == 2
        output = capsys.readouterr()
        assert 'expected a/0, a/1, b/0; found ' in output.err
        assert 'video_a' in output.err
        assert output.out == ''

    def test_another_top_folder_is_told(self, truth, predictions, capsys):
        expected = run(predictions, truth)
        predictions.rename(truth / 'outer')
        (truth / 'pred').mkdir()
        (truth / 'outer').rename(truth / 'pred' / 'masks')
        capsys.readouterr()
        assert run(truth / 'pred', truth) == expected
        assert f'predictions found in {truth / "pred" / "masks"}' in capsys.readouterr().out

    def test_frames_of_other_names_are_told(self, truth, predictions, capsys):
        for path in list((predictions / 'a' / '0').iterdir()):
            path.rename(path.with_name(f'frame{path.name}'))
        run_unread(predictions, truth)
        output = capsys.readouterr().out
        assert 'a/0: no predictions for its frames, but for frame00000, frame00005' in output

    @pytest.mark.parametrize('protocol', ['per_expression', 'davis_semi', 'davis_unsup'])
    def test_the_same_path_twice(self, truth, capsys, protocol):
        gt = truth / 'Annotations'
        for pred in (gt, truth):
            with pytest.raises(SystemExit) as caught:
                evaluate_masks.main(
                    [str(pred), str(gt), '--expressions', str(truth / 'meta_expressions.json'),
                     '--protocol', protocol]
                )  # fmt: skip
            assert caught.value.code == 2
        output = capsys.readouterr()
        assert output.out == ''
        assert output.err.startswith('error: PRED and GT are both')

    def test_exchanged_arguments(self, truth, predictions, capsys):
        with pytest.raises(SystemExit) as caught:
            evaluate_masks.main(
                [str(truth / 'Annotations'), str(predictions), '--expressions',
                 str(truth / 'meta_expressions.json')]
            )  # fmt: skip
        assert caught.value.code == 2
        assert f'{predictions} holds them: are PRED and GT swapped?' in capsys.readouterr().err

    def test_exchanged_coco_files(self, tmp_path, capsys):
        results, truth = tmp_path / 'results.json', tmp_path / 'truth.json'
        results.write_text('[]')
        truth.write_text(json.dumps({'images': [], 'annotations': [], 'categories': []}))
        with pytest.raises(SystemExit) as caught:
            evaluate_masks.main([str(truth), str(results), '--protocol', 'refcoco'])
        assert caught.value.code == 2
        assert 'are PRED and GT swapped?' in capsys.readouterr().err


class TestValues:
    def test_probabilities(self, truth, predictions, capsys):
        soft = predictions / 'a' / '0'
        for frame in FRAMES:
            save(soft / f'{frame}.png', 200 * LEFT + 30 * RIGHT)
        values = run(predictions, truth, '--protocol', 'per_expression')
        assert values['J'] == pytest.approx(100 * (0.5 + 0.5 + 1) / 3)
        assert (
            'a/0: grey values 30, 200 instead of 0 and 255 -> all above 0 is foreground; '
            '--threshold 128 for probabilities'
        ) in capsys.readouterr().out
        values = run(predictions, truth, '--threshold', '128', '--strict')
        assert values['J'] == pytest.approx(100 * (1 + 0.5 + 1) / 3)

    def test_a_threshold_above_all_values_is_told(self, truth, predictions, capsys):
        for frame in FRAMES:
            save(predictions / 'a' / '0' / f'{frame}.png', LEFT)
        run(predictions, truth, '--threshold', '128')
        assert 'a/0: no value above 1, the threshold is 128' in capsys.readouterr().out

    def test_void_of_pascal_voc(self, truth, predictions, capsys):
        ring = LEFT.copy()
        ring[1:13, 1:13] = 255
        ring[2:12, 2:12] = 1
        for frame in FRAMES:
            save(predictions / 'a' / '0' / f'{frame}.png', ring)
        values = run(predictions, truth, '--protocol', 'per_expression')
        assert values['J'] == pytest.approx(100 * (1 + 0.5 + 1) / 3)
        message = 'a/0: value 255 in 2 frames where object ids are expected -> 255 counted as'
        assert message in capsys.readouterr().out

    def test_ids_of_several_objects_are_foreground(self, truth, predictions, capsys):
        expected = run(predictions, truth)
        two = LEFT.copy()
        two[2:7] *= 2
        save(predictions / 'a' / '0' / '00000.png', two)
        assert run(predictions, truth, '--strict') == expected
        assert 'problems' not in capsys.readouterr().out

    def test_ids_that_davis_does_not_have(self, tmp_path, capsys):
        for name in ('00000', '00001', '00002'):
            save(tmp_path / 'gt' / 'v' / f'{name}.png', LEFT)
            save(tmp_path / 'pred' / 'v' / f'{name}.png', LEFT + 7 * RIGHT)
        arguments = [str(tmp_path / 'pred'), str(tmp_path / 'gt'), '--protocol', 'davis_semi']
        evaluate_masks.main(arguments)
        assert 'v: object ids 7 above 1 -> counted as background' in capsys.readouterr().out
        with pytest.raises(SystemExit):
            evaluate_masks.main([*arguments, '--threshold', '128'])
        assert '--threshold is for masks of foreground' in capsys.readouterr().err

    def test_annotation_without_any_object(self, truth, predictions, capsys):
        for frame in FRAMES:
            save(truth / 'Annotations' / 'a' / f'{frame}.png', 3 * LEFT)
        assert run_unread(predictions, truth, '--missing-is-empty')['J'] == 100
        message = 'has none of the objects 1, 2; it has 3 -> video not scored'
        assert message in capsys.readouterr().out

    def test_grey_annotation_of_davis(self, tmp_path, capsys):
        save(tmp_path / 'gt' / 'v' / '00000.png', 200 * LEFT + 190 * RIGHT)
        save(tmp_path / 'pred' / 'v' / '00000.png', LEFT)
        with pytest.raises(SystemExit):
            evaluate_masks.main(
                [str(tmp_path / 'pred'), str(tmp_path / 'gt'), '--protocol', 'davis_semi']
            )
        output = capsys.readouterr()
        assert 'object id 200 in its first frame: are these grey values' in output.out
        assert 'no video could be scored' in output.err


def test_csv_files_as_spreadsheets_save_them(truth, predictions, capsys):
    first, second = truth / 'first.csv', truth / 'second.csv'
    run(predictions, truth, '--csv', str(first))
    text = first.read_text()
    second.write_text(text, encoding='utf-8-sig')
    evaluate_masks.main(['--compare', str(first), str(second)])
    second.write_text(text + text.splitlines(keepends=True)[-1])
    with pytest.raises(SystemExit):
        evaluate_masks.main(['--compare', str(first), str(second)])
    assert "line 5: pair 'b/0/p' occurs twice" in capsys.readouterr().err


def test_masks_on_disk_have_the_values_of_the_runner(tmp_path):
    samples = [random_sample(index) for index in range(4)]
    videos, rows = {}, []
    for sample in samples:
        gt, pairs = sample.gt_pairs, sample.pred_pairs
        frames = [f'{index:05d}' for index in range(gt.masks.shape[1])]
        sample.set_metainfo({'frame_ids': frames})
        own = {'0': {'exp': gt.texts[0], 'obj_id': '1'}}
        videos[sample.video_id] = {'expressions': own, 'frames': frames}
        for index, (pair_id, masks) in enumerate(zip(gt.pair_ids, pairs.masks.numpy())):
            row = {'pair_id': pair_id, 'video': sample.video_id, 'exp_video': 'x', 'exp_id': '0'}
            row |= {'exp': gt.texts[index], 'kind': gt.kinds[index], 'rank': index}
            rows.append(row | {'label': int(not index), 'obj_id': '1' if not index else ''})
            folder = f'x_0_n{index}' if index else '0'
            for frame, mask in zip(frames, masks):
                save(tmp_path / 'pred' / sample.video_id / folder / f'{frame}.png', mask)
        for frame, mask in zip(frames, gt.masks[0].numpy()):
            save(tmp_path / 'Annotations' / sample.video_id / f'{frame}.png', mask.astype(np.uint8))
    (tmp_path / 'meta_expressions.json').write_text(json.dumps({'videos': videos}))
    (tmp_path / 'pairs.json').write_text(json.dumps({'format': 'r2-pairs/1', 'pairs': rows}))
    groups = ('no_target', 'presence')
    found = run(
        tmp_path / 'pred', tmp_path, '--pairs', str(tmp_path / 'pairs.json'), '--groups', *groups
    )
    protocols = ('per_expression', 'from_first_appearance')
    groups = ('quality', 'robustness', 'cgf1', *groups)
    expected = evaluate(samples, groups=groups, protocols=protocols)
    assert {'IL_MCC', 'pmF1', 'cgF1', 'cgF1@0.75', 'J&F&R'} < found.keys()
    assert found.pop('false_alarm_rate') is None  # NaN: every object is always visible
    assert found == {key: expected[key] for key in found}
    assert 0 < found['cgF1'] < 100


class TestLongRVOS:
    """Annotation with one folder of masks per object, and types of expressions."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = write_long_rvos(tmp_path)
        for expression in ('0', '1', '2'):
            for frame in LONG_FRAMES:
                empty = expression == '2' or (expression, frame) == ('1', LONG_FRAMES[2])
                index = LONG_FRAMES.index(frame)
                mask = 255 * square(2 + index) * (not empty)
                save(tmp_path / 'pred/a' / expression / f'{frame}.png', mask.astype(np.uint8))
        return root

    def arguments(self, root: Path) -> list[str]:
        expressions = root / 'meta_expressions/valid/meta_expressions.json'
        return [
            *(str(root / 'pred'), str(root / 'valid/Annotations'), '--processes', '1'),
            *('--expressions', str(expressions), '--json', str(root / 'report.json')),
            *('--groups', 'presence'),
        ]

    def test_masks_and_types(self, root: Path) -> None:
        evaluate_masks.main(self.arguments(root))
        values = values_in(root / 'report.json')
        assert (values['J/static'], values['J/hybrid']) == (100, 100)
        assert values['J/dynamic'] == values['tIoU/dynamic'] == pytest.approx(200 / 3)
        assert values['J'] == pytest.approx(800 / 9)

    def test_a_missing_annotation(self, root: Path, capsys) -> None:
        (root / f'valid/Annotations/a/1/{LONG_FRAMES[1]}.png').unlink()
        with pytest.raises(SystemExit) as caught:
            evaluate_masks.main(self.arguments(root))
        assert caught.value.code == 2
        assert f'has no annotation a/1/{LONG_FRAMES[1]}.png' in capsys.readouterr().out
