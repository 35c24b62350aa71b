"""Gating masks of other methods, in the forms that they write."""

from __future__ import annotations

import json
from pathlib import Path

import mask_sets
import numpy as np
import pytest
from mask_sets import EMPTY, FRAMES, HALF, LEFT, RIGHT, code
from PIL import Image

from r2vos_mm.apis.gating import (
    csv_consensus,
    model_consensus,
    open_predictions,
    score_gated,
)
from r2vos_mm.apis.results.mask_records import mask_records, write_coco_rle
from r2vos_mm.apis.scoring.mask_files import Reading, find_ground_truth
from r2vos_mm.cli import score as score_command
from r2vos_mm.cli.command import run_command
from r2vos_mm.evaluation.mask_files import PairTask, VideoTask
from r2vos_mm.evaluation.metrics.metric_values import metric_values
from r2vos_mm.evaluation.metrics.scores_csv import write_pairs
from r2vos_mm.utils.formats.veval import veval_from_pairs, write_veval_file

PAIRS = [
    # video shown, video of the expression, expression, text, label
    ('a', 'a', '0', 'left', 1),
    ('a', 'a', '1', 'right', 1),
    ('b', 'b', '0', 'late', 1),
    ('b', 'a', '0', 'left', 0),
    ('a', 'b', '0', 'late', 0),
]
# Masks of another method: 100 pixels each, but for a/1, which has 100 in the first frame only.
MASKS = {
    'a/0/p': [LEFT, LEFT],
    'a/1/p': [RIGHT, EMPTY],
    'b/0/p': [HALF, LEFT],
    'a/0/n0': [RIGHT, RIGHT],
    'b/0/n0': [LEFT, LEFT],
}
CONSENSUS = {'a/0/p': 0.9, 'a/1/p': 0.25, 'b/0/p': 0.5, 'a/0/n0': 0.125, 'b/0/n0': 0.75}
FOLDERS = dict(zip(CONSENSUS, ['a/0', 'a/1', 'b/0', 'b/a_0_n0', 'a/b_0_n0']))


def pair_rows() -> list[dict]:
    return [
        dict(
            pair_id=f'{own}/{exp_id}/{"p" if label else "n0"}',
            video=video,
            exp_video=own,
            exp_id=exp_id,
            exp=text,
            obj_id='2' if text == 'right' else '1',
            label=label,
            kind='positive' if label else 'easy',
            rank=0,
        )
        for video, own, exp_id, text, label in PAIRS
    ]


@pytest.fixture
def scored(tmp_path: Path):
    """Annotation and tasks."""
    mask_sets.write_truth(tmp_path)
    pairs = tmp_path / 'pairs.json'
    pairs.write_text(json.dumps(dict(format='r2-pairs/1', pairs=pair_rows())))
    expressions = tmp_path / 'meta_expressions.json'
    return find_ground_truth(tmp_path / 'Annotations', expressions, pairs)


def write_samwise(root: Path) -> Path:
    """PNGs as submitted to the servers."""
    for pair_id, masks in MASKS.items():
        for frame, mask in zip(FRAMES, masks):
            path = root / 'samwise' / 'Annotations' / FOLDERS[pair_id] / f'{frame}.png'
            mask_sets.save(path, 255 * mask)
    return root / 'samwise'


def write_sa2va(root: Path) -> Path:
    """One list of codes per expression, beside what the model said."""
    content: dict = {}
    for pair_id, masks in MASKS.items():
        video, expression = FOLDERS[pair_id].split('/')
        item = dict(text_prediction='Sure, [SEG].', prediction_masks=[code(mask) for mask in masks])
        content.setdefault(video, {})[expression] = item | dict(frames=FRAMES)
    (root / 'sa2va.json').write_text(json.dumps(content))
    return root / 'sa2va.json'


def write_veval(root: Path, tracks: dict | None = None) -> Path:
    names = {
        video: dict(file_names=[f'{video}/{frame}.jpg' for frame in FRAMES], height=20, width=50)
        for video in 'ab'
    }
    write_veval_file(root / 'veval.json', veval_from_pairs(dict(pairs=pair_rows()), names, tracks))
    return root / 'veval.json'


def test_the_annotation_may_be_of_veval(tmp_path: Path, scored) -> None:
    """The same pairs and scores, from the JSON of SA-Co/VEval alone."""
    truth, tasks = scored
    masks = {'left': [LEFT, LEFT], 'right': [RIGHT, RIGHT], 'late': [EMPTY, LEFT]}
    tracks = {
        row['pair_id']: [[code(mask) for mask in masks[row['exp']]]]
        for row in pair_rows()
        if row['label']
    }
    path = write_veval(tmp_path, tracks)
    veval_truth, veval_tasks = find_ground_truth(path, None, None)
    assert [t.video for t in veval_tasks] == [t.video for t in tasks]
    sets = []
    for number, (known, own) in enumerate([(truth, tasks), (veval_truth, veval_tasks)]):
        eval_set, _ = score_gated(
            own,
            open_predictions(write_samwise(tmp_path), own),
            known,
            tmp_path / str(number),
            consensus=CONSENSUS,
            gate_threshold=0.5,
        )
        values = {entry.key: entry.value for entry in metric_values(eval_set)}
        sets.append({key: values[key] for key in ('J', 'F', 'R', 'ungated/J', 'cgF1', 'AUROC')})
    assert sets[0] == sets[1]
    with pytest.raises(ValueError, match='has its own expressions'):
        find_ground_truth(path, tmp_path / 'meta_expressions.json', None)


def test_score_takes_an_annotation_of_veval(tmp_path: Path) -> None:
    """J of the positives: both frames right; one of two empty; the first where nothing is."""
    masks = {'left': [LEFT, LEFT], 'right': [RIGHT, RIGHT], 'late': [EMPTY, LEFT]}
    rows = [row for row in pair_rows() if row['label']]
    tracks = {row['pair_id']: [[code(mask) for mask in masks[row['exp']]]] for row in rows}
    gt, report = write_veval(tmp_path, tracks), tmp_path / 'report.json'
    options = ['--processes', '1', '--json', str(report)]
    assert run_command(score_command, [str(write_samwise(tmp_path)), str(gt), *options]) == 0
    values = {entry['key']: entry['value'] for entry in json.loads(report.read_text())['figures']}
    assert values['J'] == pytest.approx(100 * (1 + 0.5 + 0.5) / 3)


def test_presence_scores_equal_those_of_the_owners_code(tmp_path: Path) -> None:
    """Computed by ``VideoCGF1Evaluator`` of the package sam3, version 0.1.4, from these files.

    Tracks of a negative and of a positive are missing.
    """
    masks = {'left': [LEFT, LEFT], 'right': [RIGHT, RIGHT], 'late': [EMPTY, LEFT]}
    tracks = {
        row['pair_id']: [[code(mask) for mask in masks[row['exp']]]]
        for row in pair_rows()
        if row['label']
    }
    veval = write_veval(tmp_path, tracks)
    predicted = [
        dict(
            video_id=pair['video_id'],
            category_id=pair['category_id'],
            score=0.9,
            segmentations=[code(mask) for mask in MASKS[row['pair_id']]],
        )
        for row, pair in zip(pair_rows(), json.loads(veval.read_text())['video_np_pairs'])
        if row['pair_id'] not in ('a/0/n0', 'a/1/p')
    ]
    (tmp_path / 'tracks.json').write_text(json.dumps(predicted))
    truth, tasks = find_ground_truth(veval, None, None)
    eval_set, given = score_gated(
        tasks,
        open_predictions(tmp_path / 'tracks.json', tasks, veval=veval),
        truth,
        tmp_path / 'gated',
        consensus=dict.fromkeys(CONSENSUS, 1.0),
        gate_threshold=0.5,
    )
    values = {entry.key: entry.value for entry in metric_values(eval_set)}
    assert given.unread == []
    owners = {
        'IL_MCC': 0.16666663888889352,
        'pmF1': 55.99296053437051,
        'pmF1@0.5': 79.992000399992,
        'pmF1@0.75': 39.993600623956166,
        'cgF1': 9.332158533701995,
        'cgF1@0.5': 13.331997844665694,
        'cgF1@0.75': 6.66559899305953,
    }
    assert {key: values[key] for key in owners} == pytest.approx(owners, rel=1e-13)


def test_pairs_of_others_are_in_folders_of_their_ids(tmp_path: Path) -> None:
    path = write_veval(tmp_path)
    content = json.loads(path.read_text())
    content['video_np_pairs'] = [
        {key: pair[key] for key in pair if key != 'r2vos'} | dict(num_masklets=0)
        for pair in content['video_np_pairs']
    ]
    path.write_text(json.dumps(content))
    _, tasks = find_ground_truth(path, None, None)
    assert [[pair.folder for pair in task.pairs] for task in tasks] == [
        ['a/1', 'a/2', 'a/5'],
        ['b/3', 'b/4'],
    ]
    assert all(pair.is_negative for task in tasks for pair in task.pairs)


def test_a_veval_file_without_masks(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'veval\.json has no annotations'):
        find_ground_truth(write_veval(tmp_path), None, None)


def write_sam3(root: Path) -> Path:
    """Tracks with the ids of the SA-Co/VEval file: two halves, and one below 0.5."""
    veval = json.loads(write_veval(root).read_text())
    tracks = []
    for row, pair in zip(pair_rows(), veval['video_np_pairs']):
        top, bottom = np.zeros((2, 20, 50), np.uint8)
        top[:7], bottom[7:] = 1, 1
        for part, score in ((top, 0.5), (bottom, 0.9), (np.ones((20, 50), np.uint8), 0.25)):
            codes = [code(mask * part) for mask in MASKS[row['pair_id']]]
            if score == 0.25:
                codes = [code(part), code(part)]
            ids = dict(video_id=pair['video_id'], category_id=pair['category_id'])
            tracks.append(ids | dict(score=score, segmentations=codes))
    (root / 'sam3.json').write_text(json.dumps(tracks))
    return root / 'sam3.json'


def write_records(root: Path) -> Path:
    records = []
    for (video, _, _, text, _), masks in zip(PAIRS, MASKS.values()):
        fields = dict(video=video, texts=[text], frames=FRAMES, size=(20, 50))
        records += mask_records(np.array([masks], bool), **fields)
    write_coco_rle(root / 'ours.jsonl', records)
    return root / 'ours.jsonl'


FORMS = [write_samwise, write_sa2va, write_sam3, write_records]


@pytest.mark.parametrize('write', FORMS)
def test_both_scores_of_other_methods(tmp_path: Path, scored, write) -> None:
    """Hand arithmetic: a/1 and the negative in b are rejected."""
    truth, tasks = scored
    masks = open_predictions(write(tmp_path), tasks, veval=tmp_path / 'veval.json')
    eval_set, given = score_gated(
        tasks, masks, truth, tmp_path / 'gated', consensus=CONSENSUS, gate_threshold=0.5
    )
    values = {entry.key: entry.value for entry in metric_values(eval_set)}
    assert given.unread == []
    # a/0: 1 and 1; a/1: 1 and 0, gated 0 and 0; b/0: 0 and 1.
    assert values['ungated/J'] == pytest.approx(100 * (1 + 0.5 + 0.5) / 3)
    assert values['J'] == pytest.approx(100 * (1 + 0 + 0.5) / 3)
    # Areas of positives with a negative: a/0 200, b/0 150; of negatives 200 (gated 0) and 200.
    assert values['ungated/R'] == pytest.approx(100 * (1 - 400 / 350))
    assert values['R'] == pytest.approx(100 * (1 - 200 / 350))
    assert values['AUROC'] == pytest.approx(4 / 6)
    written = {
        pair_id: [np.array(Image.open(tmp_path / 'gated' / folder / f'{f}.png')) for f in FRAMES]
        for pair_id, folder in FOLDERS.items()
    }
    for pair_id, pngs in written.items():
        kept = CONSENSUS[pair_id] >= 0.5
        np.testing.assert_array_equal(pngs, 255 * kept * np.array(MASKS[pair_id]))
    assert len(list((tmp_path / 'gated').rglob('*.*'))) == 10


def test_missing_masks_stay_missing(tmp_path: Path, scored) -> None:
    truth, tasks = scored
    folder = write_samwise(tmp_path)
    (folder / 'Annotations' / 'a' / '0' / '00005.png').unlink()
    masks = open_predictions(folder, tasks)
    options = dict(consensus=CONSENSUS, gate_threshold=0.5)
    eval_set, given = score_gated(tasks, masks, truth, tmp_path / 'x', **options)
    assert [problem.where for problem in given.unread] == ['a/0']
    assert np.isnan(next(e.value for e in metric_values(eval_set) if e.key == 'J'))
    eval_set, _ = score_gated(
        tasks, masks, truth, tmp_path / 'y', **options, reading=Reading(missing_is_empty=True)
    )
    value = next(e.value for e in metric_values(eval_set) if e.key == 'J')
    assert value == pytest.approx(100 * (0.5 + 0 + 0.5) / 3)


def test_lists_of_another_length_are_not_written(tmp_path: Path, scored) -> None:
    truth, tasks = scored
    content = json.loads(write_sa2va(tmp_path).read_text())
    content['a']['0']['prediction_masks'].pop()
    (tmp_path / 'a.json').write_text(json.dumps(content))
    masks = open_predictions(tmp_path / 'a.json', tasks)
    _, given = score_gated(
        tasks, masks, truth, tmp_path / 'x', consensus=CONSENSUS, gate_threshold=0.5
    )
    assert [problem.where for problem in given.unread] == ['a/0']
    assert not (tmp_path / 'x' / 'a' / '0').exists()


def test_probabilities_have_a_threshold(tmp_path: Path, scored) -> None:
    truth, tasks = scored
    folder = write_samwise(tmp_path)
    mask_sets.save(folder / 'Annotations' / 'a' / '0' / '00000.png', 100 * LEFT + 100 * HALF)
    eval_set, _ = score_gated(
        tasks,
        open_predictions(folder, tasks),
        truth,
        tmp_path / 'x',
        consensus=CONSENSUS,
        gate_threshold=0.5,
        reading=Reading(threshold=128),
    )
    assert eval_set.pairs[1].pair_id == 'a/0/p'
    assert eval_set.pairs[1].areas == (50, 100)
    found = np.array(Image.open(tmp_path / 'x' / 'a' / '0' / '00000.png'))
    np.testing.assert_array_equal(found, 255 * HALF)


def test_consensus_of_a_csv(tmp_path: Path, scored) -> None:
    truth, tasks = scored
    masks = open_predictions(write_samwise(tmp_path), tasks)
    eval_set, _ = score_gated(
        tasks, masks, truth, tmp_path / 'x', consensus=CONSENSUS, gate_threshold=0.5
    )
    write_pairs(tmp_path / 'a.csv', eval_set.pairs)
    assert csv_consensus(tmp_path / 'a.csv') == CONSENSUS


def test_pairs_without_consensus(tmp_path: Path, scored) -> None:
    truth, tasks = scored
    masks = open_predictions(write_samwise(tmp_path), tasks)
    with pytest.raises(ValueError, match='no consensus for 5 pairs, such as a/0/p'):
        score_gated(tasks, masks, truth, tmp_path / 'x', consensus={}, gate_threshold=0.5)
    assert not (tmp_path / 'x').exists()


def test_files_that_cannot_be_used(tmp_path: Path, scored) -> None:
    _, tasks = scored
    with pytest.raises(ValueError, match='--veval'):
        open_predictions(write_sam3(tmp_path), tasks)
    others = [VideoTask('c', tuple(FRAMES), (PairTask('c/0/p', 'c/0', 'left'),))]
    with pytest.raises(ValueError, match=r'none of the pairs: expected .*left'):
        open_predictions(write_records(tmp_path), others)
    (tmp_path / 'a.json').write_text('[{"video_id": 1, "category_id": 1, "score": 1}]')
    with pytest.raises(ValueError, match='track 0 has not the form'):
        open_predictions(tmp_path / 'a.json', tasks, veval=tmp_path / 'veval.json')


def test_consensus_of_a_model(tmp_path: Path, model) -> None:
    """The consensus of the frames that are listed, in one call per video."""
    from r2vos_mm.apis import segment_video

    images = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3), dtype=np.uint8)
    for name, image in zip(('0', '1', '5'), images):
        mask_sets.save(tmp_path / 'JPEGImages' / 'a' / f'{name}.png', image, mode='RGB')
    pairs = (PairTask('a/0/p', 'a/0', 'left'), PairTask('a/1/p', 'a/1', 'Right'))
    [found] = model_consensus(model, [VideoTask('a', ('0', '5'), pairs)], tmp_path)
    expected = segment_video(model, images[[0, 2]], ['left', 'right']).consensus
    assert found == dict(zip(['a/0/p', 'a/1/p'], expected.tolist()))
    with pytest.raises(FileNotFoundError, match='lacks the frames 7'):
        next(model_consensus(model, [VideoTask('a', ('0', '7'), pairs)], tmp_path))
    with pytest.raises(FileNotFoundError, match='no folder b'):
        next(model_consensus(model, [VideoTask('b', ('0',), pairs)], tmp_path))
