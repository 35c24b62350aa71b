"""Robustness of VISA by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from r2vos_mm.evaluation import visa_mean, visa_robustness


def row(*pixels: int) -> np.ndarray:
    """Mask (1, 40) with the given columns set."""
    return np.isin(np.arange(40), pixels)[None]


def test_worked_example():
    # |P| = 15, 5 of them outside G, |U| = 25: 1 - 5 / 25
    pred, gt, foreground = row(*range(15)), row(*range(5, 15)), row(*range(5, 30))
    assert visa_robustness(pred, gt, foreground) == pytest.approx([0.8])


def test_frames_and_limits():
    pred = np.stack([row(0), row(*range(10)), row()])
    gt = np.stack([row()] * 3)
    foreground = np.stack([row(), row(20, 21), row()])
    # Nothing annotated and one false pixel: 1 - 1 / 1e-6 -> 0; 10 wrong of 2 -> 0; silent -> 1
    assert visa_robustness(pred, gt, foreground).tolist() == [0, 0, 1]


def test_masks_of_numbers_are_refused():
    # 0/255 in uint8 is what makes the released code wrap around
    with pytest.raises(TypeError, match='pred must be a numpy array of bool'):
        visa_robustness(row(1).astype(np.uint8), row(1), row(1))
    with pytest.raises(ValueError, match='gt has shape'):
        visa_robustness(row(1), row(1)[:, :-1], row(1))


def test_groups_weigh_alike():
    # Referring .8 and .6, reasoning .2; the sentence without target stays out: (.7 + .2) / 2
    assert visa_mean([0.8, 0.6, 0.2, 1.0], [0, 0, 1, 2]) == pytest.approx(0.45)
    assert visa_mean([0.8, 1.0], [0, 2]) == pytest.approx(0.8)
    assert math.isnan(visa_mean([1.0], [2]))
    with pytest.raises(ValueError, match=r'unknown types \[7\]'):
        visa_mean([1.0], [7])
