"""Masks as bits of a map: nothing is lost where targets overlap."""

import doctest
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from public_sets import rle, square

from r2vos_mm.datasets import DataFileError, LoadMasks, Pair
from r2vos_mm.datasets.io import mask_sources as target_masks
from r2vos_mm.datasets.io.mask_sources import (
    CodedMasks,
    PngMasks,
    decode_code,
    masks_of_objects,
    pack_bits,
    unpack_bits,
)
from r2vos_mm.datasets.records import targets_of
from r2vos_mm.utils.masks_io import write_label_png


def test_examples_of_the_docstrings() -> None:
    assert doctest.testmod(target_masks).failed == 0


@given(st.integers(1, 40), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_bits_give_back_the_masks(count: int, frames: int, seed: int) -> None:
    masks = np.random.default_rng(seed).random((count, frames, 5, 7)) < 0.5
    maps = np.stack([pack_bits(masks[:, t]) for t in range(frames)])
    assert maps.dtype == np.uint8
    assert maps.ndim == (3 if count <= 8 else 4)
    assert (unpack_bits(maps, count) == masks).all()


@pytest.mark.parametrize('count', [3, 12])
def test_bits_survive_a_resize(count: int) -> None:
    masks = np.random.default_rng(0).random((count, 10, 12)) < 0.5
    resized = cv2.resize(pack_bits(masks), (24, 20), interpolation=cv2.INTER_NEAREST)
    expected = [
        cv2.resize(mask.astype(np.uint8), (24, 20), interpolation=cv2.INTER_NEAREST)
        for mask in masks
    ]
    assert (unpack_bits(resized[None], count)[:, 0] == np.stack(expected)).all()


def test_targets_are_those_of_the_positive_pairs() -> None:
    pairs = [
        Pair('a', '', '', '3+4'),
        Pair('b', '', '', '3'),
        Pair('c', '', '', '3+4'),
        Pair('d', '', '', kind='no_target', is_negative=True),
    ]
    assert targets_of(pairs) == ('3+4', '3')
    assert targets_of(pairs[3:]) == ('',)


def test_codes_of_every_form() -> None:
    height, width = 24, 32
    expected = square(4)
    flat = expected.ravel(order='F')
    changes = np.flatnonzero(np.diff(flat, prepend=0))
    runs = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    # Corners at pixel borders: the polygon holds the pixels 4..9 x 3..8.
    polygon = [4.0, 3.0, 10.0, 3.0, 10.0, 9.0, 4.0, 9.0]
    for code in (
        rle(expected),
        dict(size=[24, 32], counts=runs),
        [polygon],
        [polygon, [1.0, 1.0, 2.0, 2.0]],
    ):
        assert (decode_code(code, height, width, '') == expected.astype(bool)).all()
    assert not decode_code([[1.0, 1.0, 2.0, 2.0]], height, width, '').any()


@pytest.mark.parametrize(
    'code', [dict(size=[4, 4]), dict(size=[24, 32], counts=7), dict(size=[4, 4], counts=[16])]
)
def test_codes_that_cannot_be_used(code: object) -> None:
    with pytest.raises(DataFileError, match='image 7'):
        decode_code(code, 24, 32, 'image 7')


def test_a_target_is_the_union_of_its_codes() -> None:
    source = CodedMasks({'1+2': [rle(square(2)), rle(square(5))], '3': []}, 'v')
    assert (source.read('1+2', 24, 32) == (square(2) | square(5)).astype(bool)).all()
    assert not source.read('3', 24, 32).any()
    assert not source.read('unknown', 24, 32).any()
    assert pickle.loads(pickle.dumps(source)) == source


def test_the_map_gets_the_size_the_frame_was_decoded_at() -> None:
    results = dict(
        ori_shape=(24, 32),
        img_shape=(12, 16),
        targets=('1',),
        target_masks=CodedMasks({'1': [rle(square(4, 4))]}, 'v'),
    )
    assert LoadMasks()(results)['gt_seg_map'].shape == (12, 16)
    assert results['gt_seg_map'].sum() == 9
    assert 'gt_seg_map' not in LoadMasks()(dict(ori_shape=(24, 32)))


def test_a_png_is_a_map_of_ids_and_a_mask_per_target(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 2], [255, 2, 2]], np.uint8)
    write_label_png(ids, tmp_path / '0.png')
    source = PngMasks(tmp_path / '0.png')
    assert (source.label_map(('1',), 2, 3) == ids).all()
    assert (source.read('2', 2, 3) == (ids == 2)).all()
    assert not source.read('', 2, 3).any()
    assert not source.read('7', 2, 3).any()


def test_masks_of_ids_and_of_bits_are_the_same() -> None:
    ids = np.array([[[0, 1, 2], [3, 2, 2]]] * 2, np.uint8)
    targets = ('3', '1', '2')
    bits = np.stack([pack_bits(frame == np.array([3, 1, 2])[:, None, None]) for frame in ids])
    wanted = ['1', '', '3', '1']
    masks = masks_of_objects(ids, wanted)
    assert masks[0].tolist() == (ids == 1).tolist()
    assert not masks[1].any()
    assert (masks_of_objects(bits, wanted, targets) == masks).all()
