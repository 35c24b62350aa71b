"""Metrics as functions of how often each video is drawn, by hand and against the metric."""

import numpy as np
import pytest
from samples import block, random_sample, sample_of

from r2vos_mm.evaluation.functional.bootstrap import bootstrap_weights
from r2vos_mm.evaluation.metrics.eval_sample import read_sample
from r2vos_mm.evaluation.metrics.metric_values import EvalSet, as_dictionary, metric_values
from r2vos_mm.evaluation.metrics.pair_scores import PairScores, pair_scores
from r2vos_mm.report.statistics import (
    auroc_statistic,
    cluster_pairs,
    differences_of,
    estimates_of,
    statistics_of,
)

EMPTY = np.zeros((1, 20, 50), dtype=bool)
FULL = block(10, 40)


def scored(sample) -> list[PairScores]:
    return pair_scores(read_sample(sample), bound_th=0.008)


def four_videos() -> list[PairScores]:
    """IoU 0.9, 0.6, 0.4 and no answer; one of four negatives is answered, with 100 of 400 pixels.

    Consensus: positives 0.9, 0.8, 0.7, 0.6 and negatives 0.5, 0.65, 0.8, 0.95.
    """
    pairs = []
    for i, (columns, other) in enumerate([(36, 0), (24, 0), (16, 10), (0, 0)]):
        ids, masks = [f'v{i}/0/p', f'v{i}/0/n0'], np.stack([block(10, columns), block(10, other)])
        consensus = [0.9 - 0.1 * i, 0.5 + 0.15 * i]
        pairs += scored(sample_of(f'v{i}', ids, np.stack([FULL, EMPTY]), masks, consensus))
    return pairs


def values(pairs: list[PairScores], weights: list[int]) -> dict[str, float]:
    found = statistics_of(pairs, *cluster_pairs(pairs))
    return {name: float(of(np.array([weights]))[0]) for name, of in found.items()}


def test_by_hand():
    """The presence scores are those of the example in docs/evaluation.md."""
    found = values(four_videos(), [1, 1, 1, 1])
    assert found['J'] == pytest.approx(100 * (0.9 + 0.6 + 0.4 + 0) / 4)
    assert found['R'] == pytest.approx(100 * (1 - 100 / (360 + 240 + 160)))
    assert found['R/other_video'] == found['R']
    assert found['IL_MCC'] == pytest.approx((3 * 3 - 1 * 1) / 16, abs=1e-6)
    assert found['IL_FPR'] == pytest.approx(25, abs=1e-4)
    # Wins of 0.9: 3; of 0.8: 2 and a tie; of 0.7: 2; of 0.6: 1
    assert found['AUROC'] == pytest.approx((3 + 2.5 + 2 + 1) / 16)
    # Found at 0.5 and 0.55 and 0.6: two of 3 answers and 4 targets; at 0.65 to 0.9 one
    f1 = [2 * (n / 3) * (n / 4) / (n / 3 + n / 4) for n in (2, 2, 2, 1, 1, 1, 1, 1, 1, 0) if n]
    assert found['pmF1'] == pytest.approx(100 * sum(f1) / 10, abs=0.02)
    assert found['cgF1'] == pytest.approx(found['pmF1'] * found['IL_MCC'])


def test_videos_that_are_drawn_twice_or_not_at_all():
    found = values(four_videos(), [0, 0, 2, 2])
    assert found['J'] == pytest.approx(100 * (0.4 + 0) / 2)
    assert found['R'] == pytest.approx(100 * (1 - 200 / 320))
    # Twice each: answered with target, silent with target, answered without, silent without
    assert found['IL_MCC'] == pytest.approx(0, abs=1e-6)
    assert found['AUROC'] == pytest.approx(0)  # 0.7 and 0.6 against 0.8 and 0.95
    only_first = values(four_videos(), [4, 0, 0, 0])
    assert only_first['AUROC'] == 1


def test_equal_to_the_metric():
    pairs = sorted(
        (pair for index in range(5) for pair in scored(random_sample(index))),
        key=lambda pair: pair.pair_id,
    )
    for eval_set in (EvalSet(pairs), EvalSet(pairs).before_gate()):
        known = as_dictionary(metric_values(eval_set))
        found = values(list(eval_set.pairs), [1] * 5)
        assert {'J', 'F', 'J&F', 'R', 'J&F&R', 'cgF1', 'pmF1', 'IL_FPR', 'AUROC'} <= set(found)
        for name, value in found.items():
            assert value == pytest.approx(known[name], rel=1e-9, abs=1e-9), name


def test_without_negatives_or_predictions():
    pairs = [pair for pair in four_videos() if not pair.is_negative]
    assert set(values(pairs, [1] * 4)) == {'J', 'F', 'J&F'}
    unread = sample_of('v', ['v/0/p'], FULL[None], FULL[None], [0.9])
    (pair,) = scored(unread)
    broken = PairScores(**{**vars(pair), 'areas': (float('nan'),)})
    assert statistics_of([broken], *cluster_pairs([broken])) == {}


def test_negatives_belong_to_the_video_of_their_expression():
    pairs = scored(sample_of('b', ['a/0/n0'], None, EMPTY[None], [0.1]))
    pairs += scored(sample_of('a', ['a/0/p'], FULL[None], FULL[None], [0.9]))
    pairs += scored(sample_of('c', ['x/0/n0'], None, EMPTY[None], [0.1]))
    assert cluster_pairs(pairs) == ({'a/0': 0, 'x/0': 1}, 2)


def test_estimates_and_differences():
    """Draws of two videos: twice the first, both, or twice the second."""

    def metric(first: float, second: float):
        ratio = np.array([first, second])
        return {'M': lambda weights: weights @ ratio / weights.sum(1)}

    weights = bootstrap_weights(2)
    a, b = (estimates_of(metric(*pair), weights) for pair in ((10, 30), (20, 50)))
    assert a.values['M'] == (20, 10, 30)
    found = differences_of(a, b)['M']
    assert found == (15, 10, 20)
    assert found.excludes_zero
    assert not differences_of(a, a)['M'].excludes_zero
    without_draws = differences_of(a._replace(draws={}), b)['M']
    assert without_draws.value == 15
    assert not without_draws.excludes_zero


def test_auroc_counts_ties_half():
    positives, negatives = (
        (np.array([0.5, 0.7]), np.array([0, 1])),
        (np.array([0.5]), np.array([1])),
    )
    statistic = auroc_statistic(positives, negatives, 2)
    assert statistic(np.array([[1, 1], [1, 0], [2, 1]])) == pytest.approx(
        [0.75, np.nan, (2 * 0.5 + 1) / 3], nan_ok=True
    )


def test_one_video_has_no_interval():
    """All draws of one video are the same: an interval of width 0 would star every difference."""
    pairs = four_videos()
    weights = bootstrap_weights(1)
    first, second = (
        estimates_of(statistics_of(own, *cluster_pairs(own)), weights)
        for own in (pairs[:2], [pair for pair in pairs if pair.video == 'v1'])
    )
    found = differences_of(first, second)['J']
    assert found.value == pytest.approx(60 - 90)
    assert np.isnan(found.low)
    assert not found.excludes_zero
