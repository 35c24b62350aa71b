"""Robustness of VISA by hand."""

from __future__ import annotations

import math

import pytest

from r2vos_mm.evaluation import visa_mean, visa_robustness


def test_worked_example():
    # 5 of the predicted pixels are outside of the object, all objects have 25: 1 - 5 / 25
    assert visa_robustness([5], [25]) == pytest.approx([0.8])


def test_frames_and_limits():
    # Nothing annotated and one false pixel: 1 - 1 / 1e-6 -> 0; 10 wrong of 2 -> 0; silent -> 1
    assert visa_robustness([1, 10, 0], [0, 2, 0]).tolist() == [0, 0, 1]


def test_groups_weigh_alike():
    # Referring .8 and .6, reasoning .2; the sentence without target stays out: (.7 + .2) / 2
    assert visa_mean([0.8, 0.6, 0.2, 1.0], [0, 0, 1, 2]) == pytest.approx(0.45)
    assert visa_mean([0.8, 1.0], [0, 2]) == pytest.approx(0.8)
    assert math.isnan(visa_mean([1.0], [2]))
    with pytest.raises(ValueError, match=r'unknown types \[7\]'):
        visa_mean([1.0], [7])
