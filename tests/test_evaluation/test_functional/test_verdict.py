"""AUROC, AP, FPR@95 and the gate's table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2vos_mm.evaluation import auroc, average_precision, fpr_at_tpr, gate_scores, verdict_curve

ALIGNED, MISALIGNED = [0.9, 0.8, 0.4], [0.7, 0.3, 0.2]
SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]), min_size=1, max_size=8)


def test_worked_example():
    # Won comparisons: 3 + 3 + 2 of 9; found at precision 1, 1 and 3/4; threshold .4 lets .7 in
    assert auroc(ALIGNED, MISALIGNED) == pytest.approx(8 / 9)
    assert average_precision(ALIGNED, MISALIGNED) == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert fpr_at_tpr(ALIGNED, MISALIGNED) == pytest.approx(1 / 3)


def test_misaligned_as_the_class_to_find():
    # By 1 - s: .8 .7 .3 against .6 .2 .1
    found, other = [1 - s for s in MISALIGNED], [1 - s for s in ALIGNED]
    assert auroc(found, other) == pytest.approx(8 / 9)
    assert average_precision(found, other) == pytest.approx((1 + 1 + 3 / 4) / 3)


def test_ties():
    assert auroc([0.5], [0.5]) == 0.5
    assert average_precision([0.5], [0.5]) == 0.5
    assert fpr_at_tpr([0.5], [0.5]) == 1.0
    # (1 + 1 + 1/2 + 1) / 4, and .5 * 1 + .5 * 2/3
    assert auroc([0.9, 0.5], [0.5, 0.1]) == pytest.approx(0.875)
    assert average_precision([0.9, 0.5], [0.5, 0.1]) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_gate():
    table = gate_scores(ALIGNED, MISALIGNED)
    assert table['gate_TPR'] == pytest.approx(2 / 3)
    assert table['gate_FPR'] == pytest.approx(1 / 3)
    assert table['gate_balanced_accuracy'] == pytest.approx((2 / 3 + 2 / 3) / 2)


def test_gate_keeps_the_threshold_itself():
    assert gate_scores([0.5], [0.49])['gate_balanced_accuracy'] == 1.0


@pytest.mark.parametrize(('positives', 'negatives'), [([], [0.5]), ([0.5], [])])
def test_absent_class_is_nan(positives, negatives):
    assert math.isnan(auroc(positives, negatives))
    assert math.isnan(average_precision(positives, negatives))
    assert math.isnan(fpr_at_tpr(positives, negatives))
    assert math.isnan(gate_scores(positives, negatives)['gate_balanced_accuracy'])


def test_nan_scores_are_refused():
    with pytest.raises(ValueError, match='negative scores'):
        auroc([0.5], [float('nan')])


@settings(deadline=None)
@given(positives=SCORES, negatives=SCORES)
def test_auroc_counts_won_comparisons(positives: list[float], negatives: list[float]):
    wins = sum((p > n) + (p == n) / 2 for p in positives for n in negatives)
    assert auroc(positives, negatives) == pytest.approx(wins / len(positives) / len(negatives))


@settings(deadline=None)
@given(positives=SCORES, negatives=SCORES)
def test_average_precision_by_definition(positives: list[float], negatives: list[float]):
    expected, recall = 0.0, 0.0
    for threshold in sorted({*positives, *negatives}, reverse=True):
        found = sum(p >= threshold for p in positives)
        false = sum(n >= threshold for n in negatives)
        expected += (found / len(positives) - recall) * found / (found + false)
        recall = found / len(positives)
    assert average_precision(positives, negatives) == pytest.approx(expected)


def test_curve():
    # Thresholds .9 .8 .7 .4 .3 .2; the area under the steps is the AUROC, 8/9
    curve = verdict_curve([0.9, 0.8, 0.4], [0.7, 0.3, 0.2])
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.7, 0.4, 0.3, 0.2]
    assert curve.true_positive_rate == pytest.approx(np.array([1, 2, 2, 3, 3, 3]) / 3)
    assert curve.false_positive_rate == pytest.approx(np.array([0, 0, 1, 1, 2, 3]) / 3)
    assert curve.precision == pytest.approx([1, 1, 2 / 3, 3 / 4, 3 / 5, 3 / 6])
    with pytest.raises(ValueError, match='needs both classes'):
        verdict_curve([0.5], [])
