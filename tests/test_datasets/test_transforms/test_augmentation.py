"""Clips made of an image: the map follows the image, and nothing is mirrored."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2vos_mm.datasets import JitterFrame
from r2vos_mm.datasets.base_referring_dataset import seeded_globals

COLOURLESS = dict(brightness=0, hue=0, saturation=0, blur_prob=0, prob=1)


def picture(size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A bright disc left of the middle, and its map: bit 2 of a byte."""
    mask = np.zeros((size, size), np.uint8)
    cv2.circle(mask, (size * 3 // 8, size // 2), size // 6, 4, -1)
    return np.repeat(mask[..., None] * 50, 3, -1), mask


def jittered(seed: int, **options: object) -> dict:
    image, mask = picture()
    with seeded_globals(seed):
        return JitterFrame(**options)(dict(img=image, gt_seg_map=mask))


@given(st.integers(0, 2**32 - 1))
def test_the_map_follows_the_image(seed: int) -> None:
    results = jittered(seed, **COLOURLESS)
    assert set(np.unique(results['gt_seg_map'])) <= {0, 4}
    bright = results['img'][..., 0] > 100
    differ = (bright != (results['gt_seg_map'] > 0)).sum()
    # The image is interpolated and the map is not: they may differ along the outline.
    assert differ <= 40
    assert bright.sum() > 100


@given(st.integers(0, 2**32 - 1))
def test_planes_are_moved_alike(seed: int) -> None:
    image, mask = picture()
    with seeded_globals(seed):
        planes = JitterFrame(**COLOURLESS)(dict(img=image, gt_seg_map=np.stack([mask] * 5, -1)))[
            'gt_seg_map'
        ]
    assert planes.shape == (64, 64, 5)
    assert (planes == jittered(seed, **COLOURLESS)['gt_seg_map'][..., None]).all()


@given(st.integers(0, 2**32 - 1))
def test_nothing_is_mirrored(seed: int) -> None:
    """The determinant of the linear part is that of a turn and a mild stretch: positive."""
    with seeded_globals(seed):
        matrix = JitterFrame()._matrix(48, 64)
    corners = cv2.perspectiveTransform(np.float32([[[0, 0], [64, 0], [64, 48], [0, 48]]]), matrix)[
        0
    ]
    (ax, ay), (bx, by) = corners[1] - corners[0], corners[3] - corners[0]
    assert ax * by - ay * bx > 0


def test_draws_differ_and_are_repeatable() -> None:
    first, again, other = jittered(1, prob=1), jittered(1, prob=1), jittered(2, prob=1)
    assert (first['img'] == again['img']).all()
    assert (first['img'] != other['img']).any()
    assert first['img'].dtype == np.uint8


def test_zero_ranges_change_nothing() -> None:
    image, mask = picture()
    for options in (dict(prob=0), dict(COLOURLESS, rotation=0, translation=0, perspective=0)):
        results = jittered(0, **options)
        assert (results['img'] == image).all()
        assert (results['gt_seg_map'] == mask).all()


def test_blur_keeps_the_brightness() -> None:
    still = dict(COLOURLESS, rotation=0, translation=0, perspective=0)
    blurred = jittered(3, **(still | dict(blur_prob=1)))['img'].astype(float)
    image = picture()[0].astype(float)
    assert blurred.mean() == pytest.approx(image.mean(), rel=0.02)
    assert (
        np.abs(np.diff(blurred[..., 0], axis=1)).max()
        < np.abs(np.diff(image[..., 0], axis=1)).max()
    )


@pytest.mark.parametrize('options', [dict(rotation=-1), dict(prob=2), dict(perspective=0.5)])
def test_bad_options(options: dict) -> None:
    with pytest.raises(ValueError, match='must'):
        JitterFrame(**options)
