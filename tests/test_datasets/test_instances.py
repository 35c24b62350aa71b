"""All annotated objects of a clip, and windows of consecutive frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2vos_mm.datasets.frame_sampling import ConsecutiveFrames, anchor_frames
from r2vos_mm.datasets.io.mask_sources import pack_bits
from r2vos_mm.datasets.records import Clip, Pair
from r2vos_mm.datasets.transforms import PackReferringInputs

PAIRS = (
    Pair('a dog', 'v/0/p', '0', '2'),
    Pair('a cat', 'v/1/n', '1', '', 'other_video', True),
    Pair('a bird', 'v/2/p', '2', '9'),
)


def results(**keys: object) -> dict:
    clip = Clip('v', 'toy', ('00000', '00001'), PAIRS)
    frame = np.zeros((2, 3, 3), np.uint8)
    return dict(
        img=[frame] * 2,
        clip=[clip] * 2,
        img_path=['a', 'b'],
        img_shape=[(2, 3)] * 2,
        ori_shape=[(2, 3)] * 2,
        **keys,
    )


def test_every_object_of_the_maps_and_of_the_pairs():
    maps = [np.array([[0, 1, 2], [0, 12, 12]], np.uint8), np.array([[0, 1, 1]] * 2, np.uint8)]
    packed = PackReferringInputs(with_instances=True).transform(results(gt_seg_map=maps))
    found = packed['data_samples'].gt_instances
    assert found.obj_ids == ['1', '2', '9', '12']  # 9 is not seen, but a sentence is about it
    assert found.valid.tolist() == [[True, True], [True, False], [False] * 2, [True, False]]
    for row, number in enumerate((1, 2, 9, 12)):
        assert found.masks[row].numpy().tolist() == (np.stack(maps) == number).tolist()


@pytest.mark.parametrize('targets', [{}, dict(targets=[('2', '9')] * 2)])
def test_they_are_not_made_unasked_or_without_masks(targets):
    maps = [np.zeros((2, 3), np.uint8)] * 2
    packed = PackReferringInputs().transform(results(gt_seg_map=maps, **targets))
    assert 'gt_instances' not in packed['data_samples']
    packed = PackReferringInputs(with_instances=True).transform(results(**targets))
    assert 'gt_instances' not in packed['data_samples']


def test_targets_beside_those_of_the_pairs():
    masks = np.zeros((3, 2, 3), bool)
    masks[0, 0], masks[2, 1, 1:] = True, True
    packed = PackReferringInputs(with_instances=True).transform(
        results(gt_seg_map=[pack_bits(masks), pack_bits(masks)], targets=[('2', '9', '5')] * 2)
    )
    found = packed['data_samples'].gt_instances
    assert found.obj_ids == ['2', '9', '5']
    assert found.masks[:, 1].numpy().tolist() == masks.tolist()
    assert found.valid.tolist() == [[True] * 2, [False] * 2, [True] * 2]


@given(st.integers(1, 40), st.integers(1, 12))
def test_windows_of_an_epoch_cover_the_video(length, window):
    windows = [
        ConsecutiveFrames()(length, window, anchor, None)
        for anchor in anchor_frames(length, window)
    ]
    assert all(len(frames) == window for frames in windows)
    assert {frame for frames in windows for frame in frames} == set(range(length))
    for frames in windows:
        steps = np.diff(frames)
        assert (steps == 1).all() or length < window and set(steps) <= {0, 1}
