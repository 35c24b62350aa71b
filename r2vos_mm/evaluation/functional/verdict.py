"""Measure verdicts on whether an expression belongs to a video: their ranking, and a gate.

Scores are those of the class to find, larger = more likely. With the consensus as score, aligned
pairs are the class to find; with ``1 - consensus``, misaligned ones: AUROC is the same, AP and
FPR@95 are not. Arguments are the scores (P,) of the class to find and (N,) of the other class; if
a class is absent, values are NaN.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .overlap import mean_or_nan


class VerdictCurve(NamedTuple):
    """Points (K,) of the ROC and precision-recall curves, from the highest distinct score down.

    Scores at a threshold are accepted. Rates are the shares of positives (which is the recall) and
    of negatives accepted, precision is the share of positives among the accepted.
    """

    thresholds: np.ndarray
    true_positive_rate: np.ndarray
    false_positive_rate: np.ndarray
    precision: np.ndarray


def verdict_curve(
    positive_scores: Sequence[float], negative_scores: Sequence[float]
) -> VerdictCurve:
    """Return the points of the curves; ValueError is raised if a class is absent."""
    if not len(positive_scores) or not len(negative_scores):
        counts = f'{len(positive_scores)} positive, {len(negative_scores)} negative scores'
        raise ValueError(f'a curve needs both classes, got {counts}')
    thresholds, found, false = _accepted(positive_scores, negative_scores)
    rates = found / len(positive_scores), false / len(negative_scores)
    return VerdictCurve(thresholds, *rates, precision=found / (found + false))


def auroc(positive_scores: Sequence[float], negative_scores: Sequence[float]) -> float:
    """Return the area under the ROC curve: P(s_pos > s_neg) + P(s_pos = s_neg) / 2."""
    positives, negatives = _as_scores(positive_scores, negative_scores)
    if not len(positives) or not len(negatives):
        return float('nan')
    ordered = np.sort(negatives)
    below, up_to = (np.searchsorted(ordered, positives, side=side) for side in ('left', 'right'))
    return float((below + up_to).sum() / 2 / (len(positives) * len(negatives)))


def average_precision(positive_scores: Sequence[float], negative_scores: Sequence[float]) -> float:
    """Return sum_k (R_k - R_{k-1}) P_k over distinct thresholds, without interpolation."""
    _, found, false = _accepted(positive_scores, negative_scores)
    if not len(positive_scores) or not len(negative_scores):
        return float('nan')
    gained = np.diff(found, prepend=0) / len(positive_scores)
    return float((gained * found / (found + false)).sum())


def fpr_at_tpr(
    positive_scores: Sequence[float], negative_scores: Sequence[float], *, tpr: float = 0.95
) -> float:
    """Return the false positive rate where a share ``tpr`` of the positives is accepted (FPR@95).

    The threshold is the highest that accepts as many; scores at the threshold are accepted.
    """
    if not len(positive_scores) or not len(negative_scores):
        return float('nan')
    curve = verdict_curve(positive_scores, negative_scores)
    return float(curve.false_positive_rate[np.argmax(curve.true_positive_rate >= tpr)])


def gate_scores(
    positive_scores: Sequence[float], negative_scores: Sequence[float], *, threshold: float = 0.5
) -> dict[str, float]:
    """Return the rates of a gate that keeps pairs with a consensus >= ``threshold``.

    ``gate_TPR``: share of aligned pairs kept. ``gate_FPR``: share of misaligned pairs kept.
    ``gate_balanced_accuracy``: mean of the shares decided correctly in the two classes.
    """
    scores = _as_scores(positive_scores, negative_scores)
    kept_pos, kept_neg = (mean_or_nan(of_class >= threshold) for of_class in scores)
    balanced = (kept_pos + 1 - kept_neg) / 2
    return {'gate_TPR': kept_pos, 'gate_FPR': kept_neg, 'gate_balanced_accuracy': balanced}


def _as_scores(*scores_of_classes: Sequence[float]) -> list[np.ndarray]:
    """Return the scores of positives and negatives as float64, checked not to hold NaN."""
    arrays = [np.asarray(scores, dtype=np.float64) for scores in scores_of_classes]
    for name, scores in zip(('positive', 'negative'), arrays):
        if scores.ndim != 1 or np.isnan(scores).any():
            raise ValueError(f'{name} scores must be one number per pair and not NaN, got {scores}')
    return arrays


def _accepted(*scores_of_classes: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct scores (K,), highest first, and how many of each class reach them."""
    arrays = _as_scores(*scores_of_classes)
    thresholds = np.unique(np.concatenate(arrays))[::-1]
    counts = (len(array) - np.searchsorted(np.sort(array), thresholds) for array in arrays)
    return thresholds, *counts
