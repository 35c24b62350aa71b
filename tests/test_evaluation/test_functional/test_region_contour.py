"""J and F: worked examples, traps, equality with the definition, published values."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from r2vos_mm.evaluation import boundary_radius, contour_accuracy, region_similarity, score_masks
from r2vos_mm.evaluation.functional import bitmaps

# The published values are rounded to three decimals.
ROUNDING = 5.05e-4


def mask_of(size: tuple[int, int], *pixels: tuple[int, int]) -> np.ndarray:
    """Mask of the given size with the given (row, column) pixels set."""
    mask = np.zeros(size, dtype=bool)
    for pixel in pixels:
        mask[pixel] = True
    return mask


def boundary_of(mask: np.ndarray) -> np.ndarray:
    """Boundary map of a mask at most 64 columns wide, by the packed form."""
    inner = np.array([(1 << (mask.shape[1] - 1)) - 1], dtype=bitmaps.WORD)
    bitmap = np.ascontiguousarray(bitmaps.pack(mask[None]).transpose(2, 0, 1))
    edges = bitmaps.boundaries(bitmap, inner)
    return np.unpackbits(
        np.ascontiguousarray(edges[0, 0]).view(np.uint8).reshape(len(mask), 8),
        axis=1,
        bitorder='little',
        count=mask.shape[1],
    ).astype(bool)


class TestRegionSimilarity:
    PRED = mask_of((4, 4), (0, 0), (0, 1), (1, 0))
    GT = mask_of((4, 4), (0, 1), (1, 0), (1, 1))

    def test_is_intersection_over_union(self):
        # |{(0,1), (1,0)}| / |{(0,0), (0,1), (1,0), (1,1)}| = 2 / 4
        assert region_similarity(self.PRED, self.GT) == [0.5]

    def test_void_leaves_both_masks(self):
        # Without (0,0): 2 / 3
        void = mask_of((4, 4), (0, 0))
        assert region_similarity(self.PRED, self.GT, void=void) == [2 / 3]

    def test_empty_masks(self):
        empty = np.zeros((4, 4), dtype=bool)
        five = np.arange(16).reshape(4, 4) < 5
        assert region_similarity(empty, empty) == [1.0]
        assert region_similarity(empty, five) == [0.0]
        assert region_similarity(five, empty) == [0.0]

    def test_gives_one_value_per_frame(self):
        empty = np.zeros((4, 4), dtype=bool)
        pred, gt = np.stack([self.PRED, empty, self.PRED]), np.stack([self.GT, empty, empty])
        assert region_similarity(pred, gt).tolist() == [0.5, 1.0, 0.0]


class TestBoundary:
    @pytest.mark.parametrize(
        ('pixels', 'boundary'),
        [
            ([(2, 2)], [(1, 1), (1, 2), (2, 1), (2, 2)]),
            ([(0, 0)], [(0, 0)]),
            ([(0, 4)], [(0, 3), (0, 4)]),
            ([(4, 0)], [(3, 0), (4, 0)]),
            ([(4, 4)], [(3, 3), (3, 4), (4, 3)]),
            ([(y, x) for y in range(5) for x in (3, 4)], [(y, 2) for y in range(5)]),
            ([(y, x) for y in (3, 4) for x in range(5)], [(2, x) for x in range(5)]),
            ([(4, x) for x in range(5)], [(3, x) for x in range(5)]),
            ([(y, 4) for y in range(5)], [(y, 3) for y in range(5)]),
            ([(y, x) for y in range(5) for x in range(5)], []),
            ([], []),
        ],
    )
    def test_of_small_masks(self, pixels, boundary):
        expected = mask_of((5, 5), *boundary)
        assert (boundary_of(mask_of((5, 5), *pixels)) == expected).all()

    def test_of_a_block_is_the_ring_up_and_left_of_it(self):
        block = mask_of((5, 5), *[(y, x) for y in (1, 2, 3) for x in (1, 2, 3)])
        ring = mask_of((5, 5), *[(y, x) for y in range(4) for x in range(4)])
        ring[1:3, 1:3] = False
        assert ring.sum() == 12
        assert (boundary_of(block) == ring).all()


class TestContourAccuracy:
    @pytest.mark.parametrize(
        ('size', 'radius', 'pixels'),
        [
            ((8, 8), 1, 5),
            ((240, 427), 4, 49),
            ((360, 640), 6, 113),
            ((480, 854), 8, 197),
            ((480, 910), 9, 253),
            ((720, 1280), 12, 441),
            ((1080, 1920), 18, 1009),
        ],
    )
    def test_radius_and_disk(self, size, radius, pixels):
        assert boundary_radius(size) == radius  # ceil(0.008 sqrt(H^2 + W^2))
        point = mask_of((64, 64), (32, 32))
        bitmap = np.ascontiguousarray(bitmaps.pack(point[None]).transpose(2, 0, 1))
        assert bitmaps.count(bitmaps.dilate(bitmap, radius)) == [pixels]

    @pytest.mark.parametrize(('column', 'expected'), [(3, 1.0), (4, 1.0), (5, 0.5), (6, 0.0)])
    def test_moved_pixel(self, column, expected):
        pred, gt = mask_of((8, 8), (3, 3)), mask_of((8, 8), (3, column))
        assert contour_accuracy(pred, gt) == [expected]

    @pytest.mark.parametrize('far', [(470, 800), (5, 800), (470, 5)])
    def test_pixels_far_from_all_others(self, far):
        near = (200, 300)
        gt = mask_of((480, 854), near)
        assert contour_accuracy(mask_of((480, 854), far), gt) == [0.0]
        # Pr = 1 / 2, Re = 1
        both = mask_of((480, 854), far, near)
        assert contour_accuracy(both, gt) == [pytest.approx(2 / 3)]

    def test_pixel_against_bar(self):
        # Pr = 1, Re = 6 / 10: 2 * 0.6 / 1.6 = 0.75
        bar = mask_of((8, 8), (3, 3), (3, 4), (3, 5), (3, 6))
        assert contour_accuracy(mask_of((8, 8), (3, 3)), bar) == [pytest.approx(0.75, abs=1e-15)]

    @pytest.mark.parametrize(
        ('shift', 'expected'), [((0, 8), 1.0), ((0, 9), 0.5), ((0, 10), 0.0), ((6, 6), 0.75)]
    )
    def test_moved_pixel_at_full_size(self, shift, expected):
        pred = mask_of((480, 854), (200, 300))
        gt = mask_of((480, 854), (200 + shift[0], 300 + shift[1]))
        assert contour_accuracy(pred, gt) == [expected]

    def test_full_frame_has_no_boundary(self):
        full, empty = np.ones((8, 8), dtype=bool), np.zeros((8, 8), dtype=bool)
        blob = mask_of((8, 8), (3, 3))
        assert contour_accuracy(full, empty) == [1.0]
        assert region_similarity(full, empty) == [0.0]
        assert contour_accuracy(full, blob) == [0.0]
        assert contour_accuracy(empty, blob) == [0.0]
        assert contour_accuracy(blob, empty) == [0.0]

    def test_bound_th_from_one_on_is_in_pixels(self):
        pred, gt = mask_of((8, 8), (3, 1)), mask_of((8, 8), (3, 5))
        assert contour_accuracy(pred, gt, bound_th=4) == [1.0]
        with pytest.raises(ValueError, match='bound_th'):
            contour_accuracy(pred, gt, bound_th=-1)


NASTY = {
    'empty': lambda y, x: np.zeros_like(y, dtype=bool),
    'full': lambda y, x: np.ones_like(y, dtype=bool),
    'checkerboard': lambda y, x: (y + x) % 2 == 0,
    'rows': lambda y, x: y % 3 == 0,
    'columns': lambda y, x: x % 5 == 0,
    'border': lambda y, x: (y == 0) | (x == 0) | (y == y.max()) | (x == x.max()),
    'hole': lambda y, x: (abs(y - y.max() / 2) > 3) | (abs(x - x.max() / 2) > 3),
    'corner': lambda y, x: (y == y.max()) & (x == x.max()),
    'pixel': lambda y, x: (y == y.max() // 2) & (x == x.max() // 2),
    'diagonal': lambda y, x: y == x,
    'parts': lambda y, x: (y * 7 + x * 11) % 13 == 0,
    'right half': lambda y, x: x > x.max() // 2,
    'last column': lambda y, x: x == x.max(),
    'last row': lambda y, x: y == y.max(),
}


class TestAgainstTheDefinition:
    @pytest.mark.parametrize(
        'size', [(1, 1), (1, 70), (70, 1), (17, 63), (20, 64), (33, 65), (40, 130)]
    )
    @pytest.mark.parametrize('bound_th', [0.008, 0.09, 9])
    def test_nasty_masks(self, size: tuple[int, int], bound_th: float, yardstick: ModuleType):
        masks = [draw(*np.mgrid[: size[0], : size[1]]) for draw in NASTY.values()]
        pred = np.stack([mask for mask in masks for _ in masks])
        gt = np.stack(masks * len(masks))
        scores = score_masks(pred, gt, bound_th=bound_th)
        share = bound_th / np.linalg.norm(size) if bound_th >= 1 else bound_th
        for index, frames in enumerate(zip(pred, gt)):
            assert scores.region[index] == yardstick.naive_region(*frames)
            assert scores.contour[index] == yardstick.naive_contour(*frames, bound_th=share)
        assert (region_similarity(pred, gt) == scores.region).all()
        assert (scores.pred_area == pred.sum(axis=(1, 2))).all()
        assert (scores.gt_area == gt.sum(axis=(1, 2))).all()

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_any_masks(self, data: st.DataObject, yardstick: ModuleType):
        size = data.draw(st.tuples(st.integers(1, 24), st.integers(1, 140)))
        fill = data.draw(st.booleans())
        pred, gt, void = (
            data.draw(hnp.arrays(bool, size, fill=st.just(fill if name != 'void' else False)))
            for name in ('pred', 'gt', 'void')
        )
        bound_th = data.draw(st.sampled_from([0.008, 0.03, 0.2]))
        region = region_similarity(pred, gt, void=void)
        contour = contour_accuracy(pred, gt, void=void, bound_th=bound_th)
        assert region == [yardstick.naive_region(pred, gt, void)]
        assert contour == [yardstick.naive_contour(pred, gt, void, bound_th)]

    def test_frames_do_not_touch_each_other(self, yardstick: ModuleType):
        noise = np.random.default_rng(0).random((2, 40, 50, 90)) < 0.01
        pred, gt = noise
        pred[::7], gt[::5] = False, True
        scores = score_masks(pred, gt, bound_th=0.05)
        for index, frames in enumerate(zip(pred, gt)):
            assert scores.contour[index] == yardstick.naive_contour(*frames, bound_th=0.05)

    def test_many_stacks_of_frames(self, monkeypatch: pytest.MonkeyPatch):
        noise = np.random.default_rng(1).random((2, 9, 30, 70)) < 0.2
        expected = score_masks(*noise)
        monkeypatch.setattr('r2vos_mm.evaluation.functional.region_contour.STACK_WORDS', 120)
        assert (score_masks(*noise).contour == expected.contour).all()

    def test_without_bitwise_count_of_numpy_2(self, monkeypatch: pytest.MonkeyPatch):
        noise = np.random.default_rng(2).random((2, 3, 30, 70)) < 0.2
        expected = score_masks(*noise)
        monkeypatch.delattr(np, 'bitwise_count', raising=False)
        scores = score_masks(*noise)
        assert (scores.contour == expected.contour).all()
        assert (scores.region == expected.region).all()

    def test_swapped_arguments_and_views(self):
        noise = np.random.default_rng(3).random((2, 3, 40, 75)) < 0.02
        straight = score_masks(noise[0], noise[1])
        swapped = score_masks(noise[1], noise[0])
        assert (straight.contour == swapped.contour).all()
        flipped = score_masks(np.asfortranarray(noise[0]), noise[1][:, ::1])
        assert (straight.contour == flipped.contour).all()


class TestErrors:
    MASK = np.zeros((2, 4, 4), dtype=bool)

    @pytest.mark.parametrize('function', [region_similarity, contour_accuracy, score_masks])
    def test_wrong_dtype_or_shape(self, function):
        with pytest.raises(TypeError, match='pred must be .* bool, got uint8'):
            function(self.MASK.astype(np.uint8), self.MASK)
        with pytest.raises(TypeError, match='gt must be .* bool, got list'):
            function(self.MASK, [[True]])
        with pytest.raises(ValueError, match=r'gt has shape \(2, 4, 5\)'):
            function(self.MASK, np.zeros((2, 4, 5), dtype=bool))
        with pytest.raises(ValueError, match='void has shape'):
            function(self.MASK, self.MASK, void=self.MASK[0])
        with pytest.raises(ValueError, match=r'\(T, H, W\)'):
            function(self.MASK[None], self.MASK[None])
        with pytest.raises(ValueError, match='with pixels, got'):
            function(self.MASK[:, :0], self.MASK[:, :0])

    def test_no_frames_give_no_values(self):
        assert contour_accuracy(self.MASK[:0], self.MASK[:0]).shape == (0,)


@pytest.mark.parametrize('sequence', ['blackswan', 'breakdance', 'dog', 'parkour'])
def test_published_values(sequence: str, test_data: Path, yardstick: ModuleType):
    folder = test_data / 'data' / 'jf_crosscheck'
    published = json.loads((folder / 'published.json').read_text())['sequences'][sequence]
    pred, gt = yardstick.read_video(folder / 'gt' / sequence, folder / 'osvos')
    frames = [int(name) for name in published['frames']]
    names = [int(path.stem) for path in sorted((folder / 'gt' / sequence).glob('*.png'))]
    scored = [names.index(frame) for frame in frames]
    scores = score_masks(pred[scored], gt[scored])
    assert np.abs(scores.region - published['J']).max() <= ROUNDING
    assert np.abs(scores.contour - published['F']).max() <= ROUNDING
