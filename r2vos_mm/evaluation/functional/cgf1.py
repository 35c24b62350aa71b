"""Compute the presence scores of SAM 3: IL_MCC, IL_FPR, pmF1 and cgF1.

They measure two things on pairs of a video and a text: whether masks are predicted exactly where
the object is present ("image level", IL), and how good they are where it is (positive micro F1).
cgF1 ("classification-gated F1") is the product of both, so that a model that answers nothing or
everything scores 0: its IL_MCC is 0.

Source: Carion et al., "SAM 3: Segment Anything with Concepts", 2025, and the evaluation code of
SA-Co, whose epsilons are kept. There, several masks of a text are matched first; here each text has
one mask per frame, so a pair has at most one match, by the IoU of whole tubes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .overlap import check_counts

THRESHOLDS = tuple(k / 20 for k in range(10, 20))  # .50:.05:.95
Counts = int | np.ndarray
_EPSILON_MCC, _EPSILON_F1 = 1e-6, 1e-4


def image_level_scores(answered: Sequence[bool], has_target: Sequence[bool]) -> dict[str, float]:
    """Return the scores of the decision whether to answer.

    ``IL_MCC``: Matthews correlation of answers and targets, in [-1, 1]; 0 if everything or nothing
    is answered. ``IL_FPR``: share of pairs without target that are answered, in [0, 1]. NaN without
    pairs of the kinds in question, for which the code of SA-Co returns 0.

    Args:
        answered: (S,) bool, whether anything is predicted.
        has_target: (S,) bool, whether the text is about something in the video.
    """
    answered, target = (np.asarray(values, dtype=bool) for values in (answered, has_target))
    if answered.shape != target.shape or answered.ndim != 1:
        shapes = f'{answered.shape} and {target.shape}'
        raise ValueError(f'answered and has_target must be one bool per pair, got {shapes}')
    # Python's integers: the product of four counts may exceed 64 bits.
    hit, missed = int((answered & target).sum()), int((~answered & target).sum())
    false, quiet = int((answered & ~target).sum()), int((~answered & ~target).sum())
    has_both, has_absent = hit + missed and false + quiet, false + quiet
    return {
        'IL_MCC': matthews(hit, missed, false, quiet) if has_both else float('nan'),
        'IL_FPR': false_positive_rate(false, quiet) if has_absent else float('nan'),
    }


def matthews(hit: Counts, missed: Counts, false: Counts, quiet: Counts) -> Any:
    """Return the Matthews correlation of the four counts, numbers or arrays of one shape."""
    product = (hit + false) * (hit + missed) * (quiet + false) * (quiet + missed)
    return (hit * quiet - false * missed) / (product**0.5 + _EPSILON_MCC)


def false_positive_rate(false: Counts, quiet: Counts) -> Any:
    """Return the share of pairs without target that are answered."""
    return false / (false + quiet + _EPSILON_MCC)


def positive_micro_f1(
    intersections: Sequence[int], unions: Sequence[int], answered: Sequence[bool]
) -> np.ndarray:
    """Return F1 at each of the ten :data:`THRESHOLDS`, over S pairs with a target; NaN for S = 0.

    A pair that is answered is a true positive if its IoU is at least the threshold, otherwise a
    false positive and a false negative; a silent pair is a false negative. ``precision = TP /
    (TP + FP + 1e-4)``, ``recall = TP / (TP + FN + 1e-4)``, ``F1 = 2 p r / (p + r + 1e-4)``.

    Args:
        intersections, unions: (S,) pixels of prediction and annotation, and of either, summed over
            the frames of a video.
        answered: (S,) bool, whether anything is predicted.
    """
    inter, union = check_counts(intersections, unions)
    answered = np.asarray(answered, dtype=bool)
    if answered.shape != inter.shape:
        raise ValueError(f'{len(inter)} counts, but {len(answered)} of answered')
    if not len(inter):
        return np.full(len(THRESHOLDS), np.nan)
    ious = np.divide(inter, union, out=np.zeros(len(inter)), where=answered & (union > 0))
    found = (answered[:, None] & (ious[:, None] >= THRESHOLDS)).sum(axis=0)
    return micro_f1(found, answered.sum(), len(inter))


def micro_f1(found: Counts, answered: Counts, total: Counts) -> Any:
    """Return F1 of ``found`` right ones among ``answered`` of ``total`` pairs, with any shapes."""
    precision, recall = found / (answered + _EPSILON_F1), found / (total + _EPSILON_F1)
    return 2 * precision * recall / (precision + recall + _EPSILON_F1)


def cgf1_scores(mcc: float, f1: Sequence[float]) -> dict[str, float]:
    """Return ``pmF1`` and ``cgF1 = pmF1 * IL_MCC``: means over thresholds, at 0.5 and at 0.75.

    Args:
        mcc: IL_MCC of :func:`image_level_scores`.
        f1: (10,) result of :func:`positive_micro_f1`.
    """
    values = {'': float(np.mean(f1))}
    values |= {f'@{k}': float(f1[THRESHOLDS.index(k)]) for k in (0.5, 0.75)}
    pm = {f'pmF1{suffix}': value for suffix, value in values.items()}
    return pm | {f'cgF1{suffix}': value * mcc for suffix, value in values.items()}
