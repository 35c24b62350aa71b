"""Compute metrics of runs with intervals from one bootstrap over videos for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from r2vos_mm.apis.scoring.compare import ratios_per_video
from r2vos_mm.evaluation.functional.bootstrap import interval_of, mean_of_ratios
from r2vos_mm.evaluation.functional.cgf1 import (
    THRESHOLDS,
    false_positive_rate,
    matthews,
    micro_f1,
)
from r2vos_mm.evaluation.metrics.metric_values import EvalSet, positive_of_negative
from r2vos_mm.evaluation.metrics.pair_scores import PairScores

# A metric as a function of the weights (B, C) of C videos in B draws; its values are (B,).
Statistic = Callable[[np.ndarray], np.ndarray]


class Estimate(NamedTuple):
    """A value and its 95 % interval, NaN where it is unknown."""

    value: float
    low: float
    high: float

    @property
    def is_known(self) -> bool:
        """Whether there is a value."""
        return not np.isnan(self.value)

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval does not contain 0."""
        return self.low > 0 or self.high < 0


class Estimates(NamedTuple):
    """Metrics of a run by name, and those of each draw of videos (B,) where they are known."""

    values: dict[str, Estimate]
    draws: dict[str, np.ndarray]


def cluster_pairs(pairs: Sequence[PairScores]) -> tuple[dict[str, int], int]:
    """Return the number of the video of each stem, and the number of videos.

    A negative pair belongs to the video of its expression, as in the comparison of scores.
    """
    videos = {pair.stem: pair.video for pair in reversed(pairs)}
    videos |= {pair.stem: pair.video for pair in pairs if not pair.is_negative}
    numbers = {video: number for number, video in enumerate(sorted({*videos.values()}))}
    return {stem: numbers[video] for stem, video in videos.items()}, len(numbers)


def statistics_of(
    pairs: list[PairScores], clusters: dict[str, int], size: int
) -> dict[str, Statistic]:
    """Return the metrics of pairs by name, as functions of the weights of videos.

    Percent but for ``IL_MCC`` and ``AUROC``. Metrics for which the pairs lack a class, or some
    predictions, are omitted. ``R/<kind>`` is R of one kind of negatives.

    Args:
        pairs: scores of one run.
        clusters, size: of :func:`cluster_pairs`.
    """
    eval_set = EvalSet(pairs)
    if not all(pair.is_read for pair in pairs):
        return {}
    found: dict[str, Statistic] = {}
    ratios = ratios_per_video(pairs, clusters, size)
    known = {name for name in 'JF' if any(pair.gt_area for pair in eval_set.annotated)}
    positives, negatives = eval_set.positives, eval_set.negatives
    if negatives and positive_of_negative(positives, negatives) is not None:
        known |= {'R'}
    parts = {'J': 'J', 'F': 'F', 'J&F': 'JF', 'R': 'R', 'J&F&R': 'JFR'}
    for name, keys in parts.items():
        if known >= set(keys):
            found[name] = _mean_of([ratios[key] for key in keys])
    for suffix, members in list(eval_set.kinds.items())[1:] if 'R' in known else ():
        of_kind = ratios_per_video([*positives, *members], clusters, size)
        found[f'R{suffix}'] = _mean_of([of_kind['R']])
    if positives and negatives:
        found |= _answer_statistics(eval_set, clusters, size)
        scores = _scores_by_video(positives, clusters)
        others = _scores_by_video(negatives, clusters)
        if len(scores[0]) and len(others[0]):
            found['AUROC'] = auroc_statistic(scores, others, size)
    return found


def _mean_of(ratios: list) -> Statistic:
    return lambda weights: mean_of_ratios(ratios, weights)


def _scores_by_video(
    pairs: Sequence[PairScores], clusters: Mapping[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the consensus of pairs that have one, and the numbers of their videos."""
    known = [pair for pair in pairs if pair.consensus is not None]
    numbers = np.array([clusters[pair.stem] for pair in known], dtype=np.int64)
    return np.array([pair.consensus for pair in known]), numbers


class _AnswerCounts(NamedTuple):
    """Numbers of pairs in each of C videos for the presence scores of SAM 3.

    The methods are of type :data:`Statistic`.

    Attributes:
        cells: pairs (C, 4) that have a target and are answered, have one and are not, have none and
            are answered, have none and are not.
        right: answered pairs (C, K) whose IoU reaches each of K thresholds.
        totals: answered pairs with annotated pixels, and all pairs with such (C, 2).
    """

    cells: np.ndarray
    right: np.ndarray
    totals: np.ndarray

    def mcc(self, weights: np.ndarray) -> np.ndarray:
        hit, missed, false, quiet = (weights @ self.cells).astype(np.float64).T
        has_both = (hit + missed > 0) & (false + quiet > 0)
        return np.where(has_both, matthews(hit, missed, false, quiet), np.nan)

    def fpr(self, weights: np.ndarray) -> np.ndarray:
        false, quiet = (weights @ self.cells[:, 2:]).T
        return np.where(false + quiet > 0, 100 * false_positive_rate(false, quiet), np.nan)

    def pmf1(self, weights: np.ndarray) -> np.ndarray:
        given, total = (weights @ self.totals).T[..., None]
        scores = micro_f1(weights @ self.right, given, total).mean(axis=1)
        return np.where(total[:, 0] > 0, 100 * scores, np.nan)

    def cgf1(self, weights: np.ndarray) -> np.ndarray:
        return self.pmf1(weights) * self.mcc(weights)


def _answer_statistics(
    eval_set: EvalSet, clusters: Mapping[str, int], size: int
) -> dict[str, Statistic]:
    """Return the presence scores of SAM 3; a pair is answered if its masks have foreground."""
    counts = _count_answers(eval_set.pairs, clusters, size)
    found: dict[str, Statistic] = {'IL_MCC': counts.mcc, 'IL_FPR': counts.fpr}
    if any(pair.gt_area for pair in eval_set.pairs):
        found |= {'pmF1': counts.pmf1, 'cgF1': counts.cgf1}
    return found


def _count_answers(
    pairs: Sequence[PairScores], clusters: Mapping[str, int], size: int
) -> _AnswerCounts:
    video = np.array([clusters[pair.stem] for pair in pairs])
    answered = np.array([pair.area > 0 for pair in pairs])
    target = np.array([not pair.is_negative and pair.gt_area != 0 for pair in pairs])
    scored = np.array([bool(pair.gt_area) for pair in pairs])
    ious = np.array([_tube_iou(pair) for pair in pairs])

    def per_video(*chosen: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(video[rows], minlength=size) for rows in chosen], axis=1)

    return _AnswerCounts(
        cells=per_video(
            answered & target, ~answered & target, answered & ~target, ~answered & ~target
        ),
        right=per_video(*(answered & scored & (ious >= threshold) for threshold in THRESHOLDS)),
        totals=per_video(answered & scored, scored),
    )


def _tube_iou(pair: PairScores) -> float:
    if not pair.gt_area:
        return 0.0
    both = sum(pair.intersections)
    return both / (pair.area + pair.gt_area - both)


def auroc_statistic(
    positives: tuple[np.ndarray, np.ndarray], negatives: tuple[np.ndarray, np.ndarray], size: int
) -> Statistic:
    """Return AUROC as a function of the weights of videos.

    Args:
        positives, negatives: scores (P,) and the numbers (P,) of their videos.
        size: number C of videos.
    """
    wins = np.zeros((size, size))  # of positives of one video over negatives of another
    order = np.argsort(negatives[0])
    scores, videos = negatives[0][order], negatives[1][order]
    for score, video in zip(*positives):
        below, up_to = (np.searchsorted(scores, score, side=side) for side in ('left', 'right'))
        wins[video] += np.bincount(videos[:below], minlength=size)
        wins[video] += np.bincount(videos[below:up_to], minlength=size) / 2
    own, other = (np.bincount(side[1], minlength=size) for side in (positives, negatives))

    def auroc(weights: np.ndarray) -> np.ndarray:
        won, total = ((weights @ wins) * weights).sum(1), (weights @ own) * (weights @ other)
        return np.divide(won, total, out=np.full(len(weights), np.nan), where=total > 0)

    return auroc


def estimates_of(statistics: Mapping[str, Statistic], weights: np.ndarray) -> Estimates:
    """Return the value and interval of each metric for draws of videos (B, C).

    One video has no intervals, since all draws are the same.
    """
    ones = np.ones((1, weights.shape[1]))
    values = {name: float(statistic(ones)[0]) for name, statistic in statistics.items()}
    if weights.shape[1] < 2:
        nan = float('nan')
        return Estimates({name: Estimate(value, nan, nan) for name, value in values.items()}, {})
    draws = {name: statistic(weights) for name, statistic in statistics.items()}
    ends = {name: interval_of(of_draws) for name, of_draws in draws.items()}
    return Estimates({name: Estimate(value, *ends[name]) for name, value in values.items()}, draws)


def differences_of(first: Estimates, second: Estimates) -> dict[str, Estimate]:
    """Return ``second`` minus ``first`` for the metrics that both have, from the same draws."""
    found = {}
    for name in first.values.keys() & second.values.keys():
        ends = float('nan'), float('nan')
        if name in first.draws and name in second.draws:
            ends = interval_of(second.draws[name] - first.draws[name])
        found[name] = Estimate(second.values[name].value - first.values[name].value, *ends)
    return found
