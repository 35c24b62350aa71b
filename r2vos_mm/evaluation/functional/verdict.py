"""Quality of the verdict "does the sentence belong to the video": ranking, and a gate's table.

Scores are those of the class one wants to find, larger = more likely. With the consensus as score,
aligned pairs are the class to find; with ``1 - consensus``, misaligned ones: AUROC is the same, AP
and FPR@95 are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata


@dataclass(frozen=True)
class GateTable:
    """What a gate at ``threshold`` keeps.

    Attributes:
        threshold: a pair is kept when its consensus is at least this.
        true_positive_rate: share of aligned pairs kept.
        false_positive_rate: share of misaligned pairs kept.
        balanced_accuracy: mean of the shares decided rightly in the two classes.
    """

    threshold: float
    true_positive_rate: float
    false_positive_rate: float
    balanced_accuracy: float


@dataclass(frozen=True)
class VerdictCurve:
    """What is accepted at each of K distinct scores, highest first; scores at it are accepted.

    Attributes:
        thresholds: (K,) scores.
        true_positive_rate: (K,) share of the positives accepted, which is the recall.
        false_positive_rate: (K,) share of the negatives accepted.
        precision: (K,) share of positives in what is accepted.
    """

    thresholds: np.ndarray
    true_positive_rate: np.ndarray
    false_positive_rate: np.ndarray
    precision: np.ndarray


def verdict_curve(
    positive_scores: Sequence[float], negative_scores: Sequence[float]
) -> VerdictCurve:
    """The points of the ROC and of the precision-recall curve.

    Arguments as for :func:`auroc`.

    Raises:
        ValueError: if a class is absent.
    """
    positives, negatives = _as_scores(positive_scores, negative_scores)
    if not len(positives) or not len(negatives):
        raise ValueError(
            f'a curve needs both classes, there are {len(positives)} positive and '
            f'{len(negatives)} negative scores'
        )
    found, false = _counts_at_thresholds(positives, negatives)
    return VerdictCurve(
        thresholds=np.unique(np.concatenate([positives, negatives]))[::-1],
        true_positive_rate=found / len(positives),
        false_positive_rate=false / len(negatives),
        precision=found / (found + false),
    )


def auroc(positive_scores: Sequence[float], negative_scores: Sequence[float]) -> float:
    """Area under the ROC curve: P(s_pos > s_neg) + P(s_pos = s_neg) / 2, from average ranks.

    Args:
        positive_scores: (P,) scores of the class to find.
        negative_scores: (N,) scores of the other class.

    Returns:
        A number in [0, 1]; NaN when a class is absent.
    """
    positives, negatives = _as_scores(positive_scores, negative_scores)
    num_pos, num_neg = len(positives), len(negatives)
    if not num_pos or not num_neg:
        return float('nan')
    ranks = rankdata(np.concatenate([positives, negatives]), method='average')
    wins = ranks[:num_pos].sum() - num_pos * (num_pos + 1) / 2
    return float(wins / (num_pos * num_neg))


def average_precision(positive_scores: Sequence[float], negative_scores: Sequence[float]) -> float:
    """Average precision sum_k (R_k - R_{k-1}) P_k over distinct thresholds, without interpolation.

    Arguments as for :func:`auroc`; NaN when a class is absent.
    """
    positives, negatives = _as_scores(positive_scores, negative_scores)
    if not len(positives) or not len(negatives):
        return float('nan')
    found, false = _counts_at_thresholds(positives, negatives)
    gained = np.diff(found, prepend=0) / len(positives)
    return float((gained * found / (found + false)).sum())


def fpr_at_tpr(
    positive_scores: Sequence[float], negative_scores: Sequence[float], *, tpr: float = 0.95
) -> float:
    """False positive rate where a share ``tpr`` of the positives is accepted (FPR@95).

    The threshold is the highest that accepts so many; scores at the threshold are accepted.
    Arguments as for :func:`auroc`; NaN when a class is absent.
    """
    positives, negatives = _as_scores(positive_scores, negative_scores)
    if not len(positives) or not len(negatives):
        return float('nan')
    found, false = _counts_at_thresholds(positives, negatives)
    first = int(np.argmax(found / len(positives) >= tpr))
    return float(false[first] / len(negatives))


def gate_table(
    positive_scores: Sequence[float], negative_scores: Sequence[float], *, threshold: float = 0.5
) -> GateTable:
    """Rates of a gate that keeps scores >= ``threshold``; a rate is NaN when its class is absent.

    Args:
        positive_scores: (P,) consensus of the aligned pairs.
        negative_scores: (N,) consensus of the misaligned pairs.
        threshold: below it the gate empties the masks.
    """
    positives, negatives = _as_scores(positive_scores, negative_scores)
    kept_pos, kept_neg = (
        float((scores >= threshold).mean()) if len(scores) else float('nan')
        for scores in (positives, negatives)
    )
    return GateTable(
        threshold=threshold,
        true_positive_rate=kept_pos,
        false_positive_rate=kept_neg,
        balanced_accuracy=(kept_pos + 1 - kept_neg) / 2,
    )


def _as_scores(
    positives: Sequence[float], negatives: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 arrays, checked not to hold NaN."""
    arrays = np.asarray(positives, dtype=np.float64), np.asarray(negatives, dtype=np.float64)
    for name, scores in zip(('positive', 'negative'), arrays):
        if scores.ndim != 1 or np.isnan(scores).any():
            raise ValueError(f'{name} scores must be one number per pair and not NaN, got {scores}')
    return arrays


def _counts_at_thresholds(
    positives: np.ndarray, negatives: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positives and negatives accepted at each distinct score, highest first, both (K,) int."""
    thresholds = np.unique(np.concatenate([positives, negatives]))[::-1]
    found = len(positives) - np.searchsorted(np.sort(positives), thresholds, side='left')
    false = len(negatives) - np.searchsorted(np.sort(negatives), thresholds, side='left')
    return found, false
