"""Calibration of the verdict, by hand."""

import math

import numpy as np
import pytest

from r2vos_mm.evaluation.functional import calibration
from r2vos_mm.evaluation.functional.calibration import (
    brier_score,
    consensus_at,
    expected_calibration_error,
    fit_temperature,
    fit_threshold,
)


def test_brier_score() -> None:
    """(0.2^2 + 0.4^2) / 2."""
    assert brier_score([0.8, 0.4], [True, False]) == pytest.approx(0.1)
    assert brier_score([1, 0], [True, False]) == 0


def test_expected_calibration_error() -> None:
    """Bins [0, 0.5) and [0.5, 1]: 0.1 + 0.3 for one positive, 0.6 + 0.8 + 1 for two."""
    consensus, labels = [0.1, 0.3, 0.6, 0.8, 1.0], [0, 1, 1, 0, 1]
    expected = (abs(0.4 - 1) + abs(2.4 - 2)) / 5
    assert expected_calibration_error(consensus, labels, bins=2) == pytest.approx(expected)
    # One bin: the means of all, 2.8 / 5 and 3 / 5.
    assert expected_calibration_error(consensus, labels, bins=1) == pytest.approx(0.04)


def test_temperature_of_one_logit() -> None:
    """Three of four pairs with the logit 2 are positive: sigmoid(2 / T) = 3/4, T = 2 / ln 3."""
    found = fit_temperature([2, 2, 2, 2], [1, 1, 1, 0])
    assert found == pytest.approx(2 / math.log(3), abs=1e-4)
    assert consensus_at([2], found) == pytest.approx(0.75, abs=1e-4)


def test_temperature_of_both_signs() -> None:
    """Of the pairs with logits 1 and -1, 9 of 10 have the right sign: T = 1 / ln 9."""
    logits, labels = [1] * 5 + [-1] * 5, [1, 1, 1, 1, 0] + [0] * 5
    assert fit_temperature(logits, labels) == pytest.approx(1 / math.log(9), abs=1e-4)


def test_calibrated_logits_keep_their_temperature() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20000)
    labels = rng.random(20000) < consensus_at(logits)
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.04)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, abs=0.12)
    assert expected_calibration_error(consensus_at(logits), labels) < 0.01
    assert expected_calibration_error(consensus_at(3 * logits), labels) > 0.05


def test_bounds_of_the_temperature() -> None:
    assert fit_temperature([3, -3], [1, 0]) == pytest.approx(calibration.MIN_TEMPERATURE, rel=1e-3)
    assert fit_temperature([3, -3], [0, 1]) == pytest.approx(calibration.MAX_TEMPERATURE, rel=1e-3)


def test_threshold() -> None:
    """Between 0.3 and 0.6 all but one positive (0.2) are decided rightly."""
    consensus, labels = [0.9, 0.6, 0.2, 0.3, 0.1], [1, 1, 1, 0, 0]
    assert fit_threshold(consensus, labels) == pytest.approx(0.45)


def test_equal_thresholds() -> None:
    """Above 0.8 and above 0.4: balanced accuracy 3/4 in both; 0.45 is nearer to 0.5 than 0.85."""
    consensus, labels = [0.9, 0.8, 0.5, 0.4], [1, 0, 1, 0]
    assert fit_threshold(consensus, labels) == pytest.approx(0.45)


@pytest.mark.parametrize(
    ('logits', 'labels', 'message'),
    [
        ([1, 2], [1, 1], 'positive and negative pairs'),
        ([1, math.inf], [1, 0], 'finite'),
        ([], [], 'one value per pair'),
        ([1, 2], [1], 'one value per pair'),
        ([1, 2], [1, 2], 'labels 0 or 1'),
    ],
)
def test_mistakes(logits: list, labels: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_temperature(logits, labels)
