"""Compute precision at IoU thresholds, overall IoU and mean IoU over samples with one mask each.

These are the metrics of A2D-Sentences, JHMDB-Sentences and RefCOCO. The *overall* IoU weights large
objects more; RefCOCO papers call it cIoU or oIoU.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
MTTR_EPSILON = 1e-6


@dataclass(frozen=True)
class OverlapScores:
    """Overlap scores over S samples.

    Attributes:
        overall_iou: sum of intersections / sum of unions.
        mean_iou: mean over samples of intersection / union.
        precision_at: per threshold K, the share of samples with IoU above (not at) K.
    """

    overall_iou: float
    mean_iou: float
    precision_at: dict[float, float]


def overlap_scores(
    intersections: Sequence[int], unions: Sequence[int], *, thresholds: Sequence[float] = THRESHOLDS
) -> OverlapScores:
    """Return overall IoU, mean IoU and P@K of S samples, exactly.

    An IoU equal to K does not count: the quotient of two integers and K are the same float64 then.
    Two empty masks have an IoU of 1.

    Args:
        intersections: (S,) pixels of prediction and annotation.
        unions: (S,) pixels of prediction or annotation.
        thresholds: the K.

    Returns:
        Numbers in [0, 1]; all NaN for S = 0. The overall IoU is 1 if all unions are empty.

    Raises:
        ValueError: Counts are not integers, or an intersection exceeds its union.
    """
    inter, union = check_counts(intersections, unions)
    ious = np.divide(inter, union, out=np.ones(len(inter)), where=union > 0)
    return _summarise(ious, inter, union, thresholds)


def mttr_overlap_scores(
    intersections: Sequence[int], unions: Sequence[int], *, thresholds: Sequence[float] = THRESHOLDS
) -> OverlapScores:
    """Return the scores of :func:`overlap_scores`, rounded as by the MTTR and ReferFormer code.

    That code computes ``IoU = (I + 1e-6) / (U + 1e-6)`` in float32, so that a sample with an IoU of
    exactly K may or may not count: 5 / 10 does at K = .5, 500 / 1000 does not. The results differ
    from the exact ones by at most the share of samples whose IoU equals a threshold.
    """
    inter, union = check_counts(intersections, unions)
    epsilon = np.float32(MTTR_EPSILON)
    ious = (inter.astype(np.float32) + epsilon) / (union.astype(np.float32) + epsilon)
    return _summarise(ious, inter, union, [np.float32(value) for value in thresholds])


def check_counts(
    intersections: Sequence[int], unions: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return both as (S,) int64.

    Raises:
        ValueError: Counts are not integers, or an intersection exceeds its union.
    """
    inter, union = np.asarray(intersections), np.asarray(unions)
    for name, counts in (('intersections', inter), ('unions', union)):
        if counts.ndim != 1 or counts.size and counts.dtype.kind not in 'iu':
            raise ValueError(f'{name} must be one integer per sample, got {counts}')
    if inter.shape != union.shape or (inter < 0).any() or (inter > union).any():
        raise ValueError(
            f'each of the {len(inter)} intersections must lie between 0 and its union, '
            f'there are {len(union)} unions'
        )
    return inter.astype(np.int64), union.astype(np.int64)


def _summarise(
    ious: np.ndarray, inter: np.ndarray, union: np.ndarray, thresholds: Sequence[float]
) -> OverlapScores:
    """Return the scores from the IoU (S,) of the samples."""
    if not len(ious):
        nan = float('nan')
        return OverlapScores(nan, nan, {round(float(value), 6): nan for value in thresholds})
    total = int(union.sum())
    return OverlapScores(
        overall_iou=int(inter.sum()) / total if total else 1.0,
        mean_iou=float(ious.mean(dtype=np.float64)),
        precision_at={round(float(value), 6): float((ious > value).mean()) for value in thresholds},
    )
