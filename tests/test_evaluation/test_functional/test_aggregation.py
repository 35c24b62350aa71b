"""Mean, recall and decay over frames."""

from __future__ import annotations

import numpy as np
import pytest

from r2vos_mm.evaluation import frame_statistics


def test_eight_frames():
    # Borders 0, 2, 4, 5, 7: decay = mean(.9 .8 .7) - mean(.4 .3 .2) = .8 - .3; .5 is no recall.
    statistics = frame_statistics([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
    assert statistics.mean == pytest.approx(0.55)
    assert statistics.recall == 0.5
    assert statistics.decay == pytest.approx(0.5)


def test_three_frames():
    # round(1, 1.5, 2, 2.5, 3) - 1 = 0, 1, 1, 2, 2: first quarter [0:2], last [2:3]
    statistics = frame_statistics([0.9, 0.6, 0.3])
    assert statistics.mean == pytest.approx(0.6)
    assert statistics.recall == pytest.approx(2 / 3)
    assert statistics.decay == pytest.approx(0.75 - 0.3)


def test_one_frame_has_no_decay():
    assert frame_statistics([0.7]).decay == 0.0


def test_more_frames_than_eight_bits_can_number():
    statistics = frame_statistics(np.linspace(1, 0, 300))
    assert statistics.decay == pytest.approx(0.74916, abs=5e-6)


@pytest.mark.parametrize('values', [[], [[0.5]], 0.5])
def test_wrong_shape(values):
    with pytest.raises(ValueError, match='at least one frame'):
        frame_statistics(values)
