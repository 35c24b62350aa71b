"""tIoU, vIoU, presence accuracy and false alarms by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from r2vos_mm.evaluation import presence_scores


def frames(*numbers: int, total: int = 8) -> np.ndarray:
    """(T,) bool, True at the given frames, counted from 1."""
    return np.isin(np.arange(1, total + 1), numbers)


def test_worked_example():
    # Annotated in 3-6, predicted in 1-4, J = .5 and .7 in 3 and 4: union 1-6
    region = np.where(frames(3), 0.5, np.where(frames(4), 0.7, 0.0))
    scores = presence_scores(frames(1, 2, 3, 4), frames(3, 4, 5, 6), region)
    assert scores['tIoU'] == pytest.approx(2 / 6)
    assert scores['vIoU'] == pytest.approx((0.5 + 0.7) / 6)
    assert scores['presence_accuracy'] == pytest.approx(4 / 8)
    assert scores['false_alarm_rate'] == pytest.approx(2 / 4)


def test_gaps_count():
    # Intervals would both be 1-5 and give 1; as sets {1, 5} and {1, 3, 5} it is 2/3
    scores = presence_scores(frames(1, 5), frames(1, 3, 5), np.ones(8))
    assert scores['tIoU'] == pytest.approx(2 / 3)


def test_never_there():
    nothing = frames()
    scores = presence_scores(nothing, nothing, np.ones(8))
    assert (scores['tIoU'], scores['vIoU'], scores['presence_accuracy']) == (1, 1, 1)
    assert scores['false_alarm_rate'] == 0


def test_always_there():
    always = frames(*range(1, 9))
    assert math.isnan(presence_scores(always, always, np.ones(8))['false_alarm_rate'])


@pytest.mark.parametrize('region', [np.ones(7), np.ones((8, 1))])
def test_shapes_must_agree(region):
    with pytest.raises(ValueError, match=r'must be \(T,\)'):
        presence_scores(frames(1), frames(1), region)
