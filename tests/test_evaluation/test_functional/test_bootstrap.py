"""Paired bootstrap by hand."""

from __future__ import annotations

import numpy as np
import pytest

from r2vos_mm.evaluation.functional.bootstrap import Ratio, bootstrap_weights, paired_difference


def test_two_clusters():
    # A: 3 / 1 and 1 / 1, B: 1 / 1 and 1 / 1. Draws: first twice 3 - 1, both 2 - 1, second twice 0
    first, second = Ratio(np.array([3.0, 1]), np.ones(2)), Ratio(np.ones(2), np.ones(2))
    weights = np.array([[2, 0], [1, 1], [0, 2]])
    found = paired_difference([first], [second], weights, level=0.5)
    assert (found.first, found.second, found.difference) == (2, 1, 1)
    # Quartiles of 0, 1, 2
    assert (found.low, found.high) == (0.5, 1.5)


def test_several_ratios_are_averaged():
    j, f = Ratio(np.array([2.0]), np.array([4.0])), Ratio(np.array([3.0]), np.array([4.0]))
    found = paired_difference([j, f], [j, j], bootstrap_weights(1, resamples=3))
    assert found.first == pytest.approx((0.5 + 0.75) / 2)
    assert found.low == found.high == pytest.approx(0.125)


def test_what_is_hard_for_both_cancels():
    rng = np.random.default_rng(0)
    hard = rng.random(200)
    first, second = Ratio(hard + 0.01, np.ones(200)), Ratio(hard, np.ones(200))
    found = paired_difference([first], [second], bootstrap_weights(200, resamples=500))
    assert found.low == pytest.approx(0.01)
    assert found.high == pytest.approx(0.01)


def test_draws():
    weights = bootstrap_weights(5, resamples=100)
    assert weights.shape == (100, 5)
    assert (weights.sum(axis=1) == 5).all()
    assert (weights == bootstrap_weights(5, resamples=100)).all()
    with pytest.raises(ValueError, match='nothing to draw'):
        bootstrap_weights(0)


def test_draws_without_samples_do_not_count():
    # Cluster 0 has no sample for this figure: a draw of it alone gives no number
    ratio = Ratio(np.array([0.0, 2]), np.array([0.0, 1]))
    other = Ratio(np.array([0.0, 1]), np.array([0.0, 1]))
    found = paired_difference([ratio], [other], np.array([[2, 0], [1, 1], [0, 2]]))
    assert (found.low, found.high) == (1, 1)
