"""Pairs and targets of a batch."""

import pytest
import torch
from toy_models import sample

from r2vos_mm.models.utils import PairBatch, annotated_frames, collect_targets, cut_windows

SIZE = (16, 24)


def test_pairs_of_all_clips_are_in_a_row():
    samples = [sample(['a', 'b'], [False, True], size=SIZE), sample(['c'], [True], size=SIZE)]
    pairs = PairBatch.collect(samples, torch.device('cpu'))
    assert pairs.texts == ['a', 'b', 'c']
    assert pairs.to_clip.tolist() == [0, 0, 1]
    assert pairs.is_negative.tolist() == [False, True, True]


def test_targets_find_the_instance_of_each_pair():
    samples = [
        sample(['a', 'b', 'c'], [False, True, False], size=SIZE),
        sample(['d'], [False], size=SIZE),
    ]
    samples[0].gt_pairs.obj_ids = ['3', '', '1']  # the objects 1 and 3 are annotated
    targets = collect_targets(samples)
    assert targets.masks.shape == (4, 2, *SIZE)
    assert [x.referred.tolist() for x in targets.instances] == [
        [False, True],
        [False, False],
        [True, False],
        [True],
    ]


def test_targets_without_instances_where_a_clip_has_none():
    samples = [sample(['a'], [False], size=SIZE), sample(['b'], [False], size=SIZE)]
    del samples[1].gt_instances
    assert collect_targets(samples).instances is None


def test_annotated_frames_are_chosen_for_every_pair_of_a_clip():
    samples = [sample(['a', 'b'], [False, False], frames=3, size=SIZE) for _ in range(2)]
    for item, frame in zip(samples, (0, 2)):
        item.set_metainfo(dict(annotated_frames=[t == frame for t in range(3)]))
        item.gt_pairs.boxes[:] = torch.arange(3.0)[:, None]  # the number of the frame
    frames = annotated_frames(samples)
    assert frames.tolist() == [[0], [2]]
    targets = collect_targets(samples, frames)
    assert targets.boxes[:, 0, 0].tolist() == [0, 0, 2, 2]
    assert targets.instances[3].masks.shape[:2] == (2, 1)


@pytest.mark.parametrize(
    ('annotated', 'expected'),
    [
        (None, [([0, 1], None), ([2, 3], None), ([4, 5], None)]),
        ([1, 4], [([0, 1], [1]), ([4, 5], [0])]),
        ([2, 3], [([2, 3], [0, 1])]),
    ],
)
def test_windows_without_annotated_frames_are_skipped(annotated, expected):
    video = torch.arange(6)
    windows = cut_windows(video, 2, None if annotated is None else torch.tensor(annotated))
    found = [(w.frames.tolist(), w.annotated) for w in windows]
    assert [(frames, None if kept is None else kept.tolist()) for frames, kept in found] == expected
