"""Compute region similarity J and contour accuracy F of masks.

The definition is that of the DAVIS benchmark (Perazzi et al., "A Benchmark Dataset and Evaluation
Methodology for Video Object Segmentation", CVPR 2016, Sec. 5; code: davis2017-evaluation), and the
results equal its results to the last bit.
"""

from typing import NamedTuple

import numpy as np

from . import bitmaps
from .bitmaps import WORD

# Frames are processed in stacks of about this many words (256 KiB), which fit into the cache.
STACK_WORDS = 1 << 15


class MaskScores(NamedTuple):
    """Scores of T frames, (T,) each, without void pixels.

    Attributes:
        region, contour: J and F, float64 in [0, 1].
        pred_area, gt_area: foreground pixels, int64.
        intersection: pixels of both, int64.
    """

    region: np.ndarray
    contour: np.ndarray
    pred_area: np.ndarray
    gt_area: np.ndarray
    intersection: np.ndarray


def region_similarity(
    pred: np.ndarray, gt: np.ndarray, *, void: np.ndarray | None = None
) -> np.ndarray:
    """Return region similarity J = |P & G| / |P | G| per frame; 1 if both are empty, 0 if one is.

    Args:
        pred: predicted masks, (T, H, W) or (H, W) bool.
        gt: annotated masks, same shape, bool.
        void: pixels to ignore in both masks, same shape, bool.

    Returns:
        (T,) float64 in [0, 1]; T = 1 for (H, W).

    Raises:
        TypeError: A mask is not a bool array.
        ValueError: The shapes differ or are neither (T, H, W) nor (H, W).
    """
    pred, gt, void = _as_clips(pred, gt, void)
    pairs = (_without_void(pred, gt, void, frame) for frame in range(len(pred)))
    counts = [(np.count_nonzero(p & g), np.count_nonzero(p | g)) for p, g in pairs]
    return _ratio(*np.array(counts, dtype=np.int64).reshape(-1, 2).T, if_none=1.0)


def contour_accuracy(
    pred: np.ndarray, gt: np.ndarray, *, void: np.ndarray | None = None, bound_th: float = 0.008
) -> np.ndarray:
    """Return contour accuracy F = 2 Pr Re / (Pr + Re) per frame, (T,) float64 in [0, 1].

    Pr is the share of predicted boundary pixels within the radius of an annotated boundary pixel,
    Re the converse. F is 1 when neither mask has a boundary (as for empty *and* for full frames), 0
    when only one has. Void pixels are removed from both masks before boundaries are drawn.

    Args:
        pred, gt, void: as for :func:`region_similarity`, also their errors.
        bound_th: see :func:`boundary_radius`.
    """
    return score_masks(pred, gt, void=void, bound_th=bound_th).contour


def score_masks(
    pred: np.ndarray, gt: np.ndarray, *, void: np.ndarray | None = None, bound_th: float = 0.008
) -> MaskScores:
    """Return J, F and areas of T frames in one pass; arguments as in :func:`contour_accuracy`."""
    pred, gt, void = _as_clips(pred, gt, void)
    radius = boundary_radius(pred.shape[1:], bound_th)
    scores = MaskScores(*(np.empty(len(pred), dtype) for dtype in (float, float, *[np.int64] * 3)))
    step = max(1, STACK_WORDS // (pred.shape[1] * -(-pred.shape[2] // bitmaps.WORD_BITS)))
    for stack in (slice(start, start + step) for start in range(0, len(pred), step)):
        bitmap, inner_columns = _pack_box(*_without_void(pred, gt, void, stack))
        areas = bitmaps.count(bitmap)
        scores.pred_area[stack], scores.gt_area[stack] = areas
        intersection = scores.intersection[stack] = bitmaps.count(bitmap[:, 0] & bitmap[:, 1])
        scores.region[stack] = _ratio(intersection, areas.sum(axis=0) - intersection, if_none=1.0)
        scores.contour[stack] = _contour(bitmaps.boundaries(bitmap, inner_columns), radius)
    return scores


def boundary_radius(size: tuple[int, int], bound_th: float = 0.008) -> int:
    """Return the radius in pixels within which boundaries match.

    It is ``ceil(bound_th * diagonal)``, and from ``bound_th = 1`` on ``bound_th`` itself.

    Args:
        size: (H, W) of the scored masks; scoring at another resolution changes F.
        bound_th: share of the diagonal, or pixels.
    """
    if bound_th < 0:
        raise ValueError(f'bound_th must not be negative, got {bound_th}')
    return int(bound_th if bound_th >= 1 else np.ceil(bound_th * np.linalg.norm(size)))


def _as_clips(
    pred: np.ndarray, gt: np.ndarray, void: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Check the arguments and return them as (T, H, W)."""
    for name, masks in (('pred', pred), ('gt', gt), ('void', pred if void is None else void)):
        if not isinstance(masks, np.ndarray) or masks.dtype != np.bool_:
            kind = getattr(masks, 'dtype', type(masks).__name__)
            raise TypeError(f'{name} must be an array of bool, got {kind}: threshold it first')
        if masks.shape != pred.shape:
            raise ValueError(f'{name} has shape {masks.shape}, pred {pred.shape}: resize it first')
    if pred.ndim not in (2, 3) or 0 in pred.shape[-2:]:
        raise ValueError(f'masks must be (T, H, W) or (H, W) with pixels, got {pred.shape}')
    return tuple(m if m is None else m.reshape(-1, *m.shape[-2:]) for m in (pred, gt, void))


def _without_void(
    pred: np.ndarray, gt: np.ndarray, void: np.ndarray | None, frames: int | slice
) -> tuple[np.ndarray, np.ndarray]:
    """Return both masks in some frames, without void pixels."""
    if void is None:
        return pred[frames], gt[frames]
    valid = ~void[frames]
    return pred[frames] & valid, gt[frames] & valid


def _pack_box(pred: np.ndarray, gt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a bitmap (K, 2, T, h) of both masks, and its (K,) words for :func:`.boundaries`.

    It covers the box of all foreground, grown by one pixel: boundaries lie at most that far outside
    a mask, and matches are counted on boundaries only. The box takes whole words if it can.
    """
    height, width = pred.shape[1:]
    # Reduce over frames first, which is contiguous in memory; one frame remains.
    foreground = pred.any(axis=0) | gt.any(axis=0)
    columns, rows = (np.flatnonzero(foreground.any(axis=axis)) for axis in (0, 1))
    if not len(rows):
        rows = columns = np.zeros(1, dtype=np.int64)
    top, bottom, left = max(rows[0] - 1, 0), min(rows[-1] + 2, height), max(columns[0] - 1, 0)
    num_words = -(-int(columns[-1] + 1 - left) // bitmaps.WORD_BITS)
    left = max(min(left, width - num_words * bitmaps.WORD_BITS), 0)
    inner_columns = np.full(num_words, ~WORD.type(0), dtype=WORD)
    word, bit = divmod(int(width - 1 - left), bitmaps.WORD_BITS)
    if word < num_words:
        inner_columns[word] ^= WORD.type(1 << bit)
    bitmap = np.empty((num_words, 2, len(pred), bottom - top), dtype=WORD)
    for index, masks in enumerate((pred, gt)):
        box = masks[:, top:bottom, left : left + num_words * bitmaps.WORD_BITS]
        bitmap[:, index] = bitmaps.pack(box).transpose(2, 0, 1)
    return bitmap, inner_columns


def _contour(boundaries: np.ndarray, radius: int) -> np.ndarray:
    """Return F (T,) from the boundaries (K, 2, T, H) of prediction and annotation."""
    num_pixels = bitmaps.count(boundaries)
    has_none = ~num_pixels.any(axis=0)
    if not num_pixels.all(axis=0).any():
        return has_none.astype(np.float64)
    near = boundaries[_near_both(boundaries, radius)]
    matched = bitmaps.count(bitmaps.dilate(near, radius)[:, ::-1] & near)
    precision, recall = _ratio(matched, num_pixels, if_none=0.0)
    return has_none + _ratio(2 * precision * recall, precision + recall, if_none=0.0)


def _near_both(boundaries: np.ndarray, radius: int) -> tuple[slice, ...]:
    """Return the index of the words and rows in which pixels of both boundaries can match.

    They are near the boxes of both, which matters where one mask has parts far from the other.
    """
    filled = np.bitwise_or.reduce(boundaries, axis=2)  # (K, 2, H)
    words = _overlap(filled.any(axis=2).T, -(-radius // bitmaps.WORD_BITS))
    return words, slice(None), slice(None), _overlap(filled.any(axis=0), radius)


def _overlap(filled: np.ndarray, reach: int) -> slice:
    """Return where the ranges of True of two rows (2, N) overlap, with a margin of ``reach``."""
    (first, last), (other_first, other_last) = (np.flatnonzero(row)[[0, -1]] for row in filled)
    return slice(max(first, other_first, reach) - reach, min(last, other_last) + reach + 1)


def _ratio(numerator: np.ndarray, denominator: np.ndarray, *, if_none: float) -> np.ndarray:
    """Return the quotient as float64, ``if_none`` where the denominator is 0."""
    out = np.full(denominator.shape, if_none, dtype=np.float64)
    return np.divide(numerator, denominator, out=out, where=denominator != 0)
