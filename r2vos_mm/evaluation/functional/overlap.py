"""Compute precision at IoU thresholds, overall IoU and mean IoU over samples with one mask each.

These are the metrics of A2D-Sentences, JHMDB-Sentences and RefCOCO.
"""

from collections.abc import Sequence

import numpy as np


def overlap_scores(intersections: Sequence[int], unions: Sequence[int]) -> dict[str, float]:
    """Return overlap scores of S samples, exactly, in [0, 1]; all NaN for S = 0.

    ``P@0.5`` to ``P@0.9``: share of samples with IoU above (not at) the threshold. The quotient of
    two integers and a threshold that it equals are the same float64.
    ``oIoU``: overall IoU, sum of intersections / sum of unions, which weights large objects more;
    RefCOCO papers call it cIoU, too. It is 1 if all unions are empty.
    ``mIoU``: mean over samples of intersection / union; two empty masks have an IoU of 1.

    Args:
        intersections, unions: (S,) pixels of prediction and annotation, and of either.

    Raises:
        ValueError: Counts are not integers, or an intersection exceeds its union.
    """
    inter, union = check_counts(intersections, unions)
    ious = np.divide(inter, union, out=np.ones(len(inter)), where=union > 0)
    return _summarize(ious, inter, union)


def mttr_overlap_scores(intersections: Sequence[int], unions: Sequence[int]) -> dict[str, float]:
    """Return the scores of :func:`overlap_scores`, rounded as by the MTTR and ReferFormer code.

    That code computes ``IoU = (I + 1e-6) / (U + 1e-6)`` in float32, so that a sample with an IoU of
    exactly K may or may not count: 5 / 10 does at K = .5, 500 / 1000 does not. The results differ
    from the exact ones by at most the share of samples whose IoU equals a threshold.
    """
    inter, union = check_counts(intersections, unions)
    upper, lower = (counts.astype(np.float32) + np.float32(1e-6) for counts in (inter, union))
    return _summarize(upper / lower, inter, union)


def check_counts(intersections: Sequence[int], unions: Sequence[int]) -> list[np.ndarray]:
    """Return both as (S,) int64, checked as in :func:`overlap_scores`."""
    inter, union = np.asarray(intersections), np.asarray(unions)
    for name, counts in (('intersections', inter), ('unions', union)):
        if counts.ndim != 1 or counts.size and counts.dtype.kind not in 'iu':
            raise ValueError(f'{name} must be one integer per sample, got {counts}')
    if inter.shape != union.shape or (inter < 0).any() or (inter > union).any():
        counts = f'{len(inter)} intersections, {len(union)} unions'
        raise ValueError(f'each of the intersections must lie between 0 and its union: {counts}')
    return [inter.astype(np.int64), union.astype(np.int64)]


def mean_or_nan(values: np.ndarray | Sequence[float]) -> float:
    """Return the mean in float64, NaN for no values."""
    return float(np.mean(values, dtype=np.float64)) if len(values) else float('nan')


def _summarize(ious: np.ndarray, inter: np.ndarray, union: np.ndarray) -> dict[str, float]:
    total = int(union.sum())
    overall = int(inter.sum()) / total if total else 1.0 if len(ious) else float('nan')
    thresholds = np.array([0.5, 0.6, 0.7, 0.8, 0.9], dtype=ious.dtype)
    precision = {f'P@{k:.1f}': mean_or_nan(ious > k) for k in thresholds}
    return {**precision, 'oIoU': overall, 'mIoU': mean_or_nan(ious)}
