"""Compute J&F, R and cgF1 over the threshold of the gate from the scores of pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from r2vos_mm.evaluation.functional.robustness_r2vos import relative_robustness
from r2vos_mm.evaluation.metrics.metric_values import (
    EvalSet,
    answer_values,
    positive_of_negative,
)
from r2vos_mm.evaluation.metrics.pair_scores import PairScores, emptied, known_consensus

THRESHOLDS = np.linspace(0, 1, 41)


def gate_curves(
    pairs: Sequence[PairScores], thresholds: Sequence[float] = THRESHOLDS
) -> dict[str, np.ndarray]:
    """Return J&F, R and cgF1 in percent (K,) of a gate at K thresholds, as far as they are known.

    A gate keeps the masks of pairs with at least the threshold as consensus and empties the others.
    There are no curves if a pair has no consensus, or its predictions were not read.
    """
    if not all(pair.is_read and pair.consensus is not None for pair in pairs):
        return {}
    ungated = EvalSet(pairs).before_gate()
    measures = (_quality_curve(ungated), _robustness_curve(ungated), _answer_curve(ungated))
    names = ('J&F', 'R', 'cgF1')
    return {
        name: np.array([measure(threshold) for threshold in thresholds])
        for name, measure in zip(names, measures)
        if measure is not None
    }


def _quality_curve(ungated: EvalSet) -> Callable[[float], float] | None:
    pairs = ungated.annotated
    if not any(pair.gt_area for pair in pairs):
        return None
    consensus = np.array(known_consensus(pairs))
    kept, empty = ([mean_jf(pair) for pair in side] for side in (pairs, map(emptied, pairs)))
    return lambda threshold: 100 * float(np.where(consensus >= threshold, kept, empty).mean())


def _robustness_curve(ungated: EvalSet) -> Callable[[float], float] | None:
    positives, negatives = ungated.positives, ungated.negatives
    stems = {pair.stem for pair in negatives}
    related = positive_of_negative(positives, negatives) is not None
    own = [pair for pair in positives if not related or pair.stem in stems]
    if not own or not negatives:
        return None
    owners = positive_of_negative(own, negatives) if related else None
    sides = [
        (np.array(known_consensus(side)), np.array([pair.area for pair in side]))
        for side in (own, negatives)
    ]

    def measure(threshold: float) -> float:
        areas = [np.where(consensus >= threshold, area, 0) for consensus, area in sides]
        if not areas[0].any() and areas[1].any():  # the function would warn
            return 0.0
        return 100 * relative_robustness(*areas, positive_of_negative=owners)

    return measure


def _answer_curve(ungated: EvalSet) -> Callable[[float], float] | None:
    if not ungated.negatives or not any(pair.gt_area for pair in ungated.annotated):
        return None
    consensus = np.array(known_consensus(ungated.pairs))
    has_area = np.array([pair.area > 0 for pair in ungated.pairs])
    return lambda threshold: answer_values(ungated, has_area & (consensus >= threshold))['cgF1']


def mean_jf(pair: PairScores) -> float:
    """Return J&F of an annotated pair, the mean over its frames, in [0, 1]."""
    return float(np.mean([np.mean(pair.region), np.mean(pair.contour)]))
