"""Which pairs are the worst, which of their frames are shown, and where their masks are."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from r2vos_mm.evaluation.metrics.pair_scores import PairScores
from r2vos_mm.report.cases import (
    PairFrames,
    data_uri,
    false_alarms,
    mask_folder,
    open_run_masks,
    shown_frames,
    tasks_of,
    worst_positives,
)
from r2vos_mm.report.galleries import galleries_of, scores_of
from r2vos_mm.report.runs import Run, read_run


def pair(pair_id: str, areas: tuple = (0, 0), *, video: str = 'v', **fields) -> PairScores:
    is_negative = not pair_id.endswith('/p')
    kept = dict(kind='x', expression='a dog', is_negative=is_negative, frame_pixels=100)
    frames = tuple(map(str, range(len(areas))))
    return PairScores(pair_id, video, frame_ids=frames, areas=areas, **{**kept, **fields})


def test_worst_positives():
    def scored(name: str, region: float, contour: float, gt: int = 9) -> PairScores:
        numbers = dict(region=(region, 1.0), contour=(contour, 1.0), gt_areas=(gt, 0))
        return pair(f'{name}/p', (1, 1), **numbers)

    pairs = [scored('a', 0.5, 0.5), scored('b', 0.2, 0.1), scored('c', 0.1, 0.2)]
    pairs += [scored('never visible', 0, 0, gt=0), pair('no annotation/p', (1, 1))]
    pairs += [pair('n/n0', (9, 9))]
    assert [p.pair_id for p in worst_positives(pairs, 9)] == ['b/p', 'c/p', 'a/p']
    assert worst_positives(pairs, 1) == [pairs[1]]


def test_false_alarms():
    pairs = [pair('a/n0', (1, 0)), pair('b/n0', (5, 5)), pair('c/n0', (9, 9), frame_pixels=1000)]
    pairs += [pair('d/n0'), pair('e/n0', (float('nan'), 1)), pair('f/p', (9, 9))]
    assert [p.pair_id for p in false_alarms(pairs, 9)] == ['b/n0', 'c/n0', 'a/n0']


def test_frames_with_foreground_are_shown():
    areas = (0, 0, 3, 0, 0, 0, 4, 0)
    assert shown_frames(pair('a/n0', areas)) == ['2', '6']
    emptied = pair('a/n0', (0,) * 8, before_gate=pair('a/n0', areas))
    assert shown_frames(emptied) == ['2', '6']
    seen = pair('a/p', (0,) * 8, gt_areas=(0, 1, 1, 1, 1, 1, 1, 0))
    assert shown_frames(seen) == ['1', '3', '4', '6']
    assert shown_frames(seen, {'0', '2', '4'}) == ['2', '4']
    assert shown_frames(seen, {'other'}, count=2) == ['1', '6']
    assert shown_frames(pair('a/n0', (0,) * 8)) == ['0', '2', '5', '7']


def test_folders_are_those_of_mask_files():
    """As of ``pair_folder`` for rows of pairs files."""
    positive, negative = pair('bear/0/p', video='bear'), pair('bear/0/n1', video='bus')
    assert mask_folder(positive) == 'bear/0'
    assert mask_folder(negative) == 'bus/bear_0_n1'
    tasks = tasks_of([positive, negative])
    assert [(task.video, task.pairs[0].folder) for task in tasks] == [
        ('bear', 'bear/0'),
        ('bus', 'bus/bear_0_n1'),
    ]


def test_scores_in_words():
    found = pair('a/p', (5, 5), region=(0.5, 0.7), contour=(0.1, 0.3), gt_areas=(5, 5))
    assert scores_of(found) == 'J&F 40.0'
    gone = pair('a/n0', consensus=0.25, before_gate=pair('a/n0', (5, 5)))
    assert scores_of(gone) == '0.0 % of the pixels, consensus 0.25, emptied by the gate'
    assert scores_of(pair('a/n0', (5, 6))) == '5.5 % of the pixels'


def test_pictures_are_webp():
    image = np.zeros((20, 30, 3), np.uint8)
    head, code = data_uri(image).split(',')
    assert head == 'data:image/webp;base64'
    with Image.open(io.BytesIO(base64.b64decode(code))) as found:
        assert (found.format, found.size) == ('WEBP', (30, 20))


def test_masks_and_frames_of_a_test(runs):
    run = read_run(runs[0])
    masks, source = open_run_masks(run), PairFrames(run.config)
    chosen = next(p for p in run.pairs if p.pair_id == '<b>v2/0/p')  # emptied by the gate
    assert not masks.gated.read(mask_folder(chosen), '00000', 0).any()
    # The square of columns 1 to 6 has moved by one.
    assert masks.ungated.read(mask_folder(chosen), '00000', 0).any(0).nonzero()[0].tolist() == [
        *range(2, 8)
    ]
    scene = source.load(chosen)
    assert scene.frames[0].shape == (24, 32, 3)
    assert scene.truth[0].any(0).nonzero()[0].tolist() == [*range(1, 7)]
    alarm = next(p for p in run.pairs if p.pair_id == '<b>v2/0/n0')  # shown with v0
    scene = source.load(alarm)
    assert (scene.names, scene.truth) == (['00000', '00010', '00015', '00025'], None)
    assert masks.gated.read(mask_folder(alarm), '00010', 2).sum() == 12


def test_masks_in_folders(tmp_path, runs):
    run = read_run(runs[0])
    folder = tmp_path / 'v1' / '0'
    folder.mkdir(parents=True)
    Image.fromarray(np.full((24, 32), 255, np.uint8)).save(folder / '00005.png')
    run.masks_path = tmp_path
    masks = open_run_masks(run)
    chosen = next(p for p in run.pairs if p.pair_id == 'v1/0/p')
    assert masks.ungated is None
    assert masks.gated.read(mask_folder(chosen), '00005', 1).all()
    run.masks_path = None
    with pytest.raises(ValueError, match='no masks are known'):
        open_run_masks(run)


def test_repeated_cases_are_drawn_once():
    pairs = [pair('a/0/p', (5,), region=(0.5,), contour=(0.5,), gt_areas=(9,))]
    runs = [Run(name, None, pairs) for name in 'AB']
    first, _, second, alarms = galleries_of(runs, [pairs, pairs], data_root=None, count=1)
    assert (first.name, first.cases[0].repeats, len(first.cases[0].rows)) == ('A', False, 2)
    assert (second.name, second.cases[0].repeats, second.cases[0].rows) == ('B', True, [])
    assert second.cases[0].anchor == first.cases[0].anchor
    assert alarms.cases == []
    assert galleries_of(runs, [pairs, pairs], data_root=None, count=0) == []
