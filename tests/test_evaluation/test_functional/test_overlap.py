"""P@K, overall and mean IoU: worked examples and what happens at exactly K."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2vos_mm.evaluation import mttr_overlap_scores, overlap_scores


def test_worked_example():
    # (8 + 1 + 5) / (10 + 4 + 10); (.8 + .25 + .5) / 3; above .5 is only the first
    scores = overlap_scores([8, 1, 5], [10, 4, 10])
    assert scores['oIoU'] == pytest.approx(14 / 24)
    assert scores['mIoU'] == pytest.approx(1.55 / 3)
    precisions = [scores[f'P@{k}'] for k in (0.5, 0.6, 0.7, 0.8, 0.9)]
    assert precisions == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0, 0])


def test_an_iou_of_exactly_k_is_decided_by_rounding_in_the_released_way():
    # (5 + 1e-6) / (10 + 1e-6) = .50000006 > .5; (500 + 1e-6) / (1000 + 1e-6) = .5 in float32
    assert mttr_overlap_scores([8, 1, 5], [10, 4, 10])['P@0.5'] == pytest.approx(2 / 3)
    assert mttr_overlap_scores([500], [1000])['P@0.5'] == 0
    assert overlap_scores([5], [10])['P@0.5'] == 0


@pytest.mark.parametrize('threshold', [0.5, 0.6, 0.7, 0.8, 0.9])
def test_exact_form_never_counts_an_iou_of_k(threshold):
    tenths = round(10 * threshold)
    unions = 10 * np.arange(1, 2000)
    at = overlap_scores(tenths * np.arange(1, 2000), unions)
    above = overlap_scores(tenths * np.arange(1, 2000) + 1, unions)
    assert at[f'P@{threshold}'] == 0
    assert above[f'P@{threshold}'] == 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**5), st.integers(0, 10**5)), min_size=1, max_size=30))
def test_both_forms_agree_but_for_ties(counts):
    inter = [i for i, _ in counts]
    union = [i + more for i, more in counts]
    exact, released = overlap_scores(inter, union), mttr_overlap_scores(inter, union)
    assert exact['oIoU'] == released['oIoU']
    assert exact['mIoU'] == pytest.approx(released['mIoU'], abs=1e-6)
    for value in (0.5, 0.6, 0.7, 0.8, 0.9):
        near = np.mean([u > 0 and abs(i / u - value) < 1e-6 for i, u in zip(inter, union)])
        assert abs(exact[f'P@{value}'] - released[f'P@{value}']) <= near + 1e-12


@pytest.mark.parametrize('score', [overlap_scores, mttr_overlap_scores])
def test_empty_masks_and_no_samples(score):
    assert score([0], [0])['mIoU'] == 1.0
    assert score([0], [0])['oIoU'] == 1.0
    assert math.isnan(score([], [])['oIoU'])
    assert math.isnan(score([], [])['P@0.5'])


@pytest.mark.parametrize(
    ('inter', 'union'), [([2], [1]), ([-1], [1]), ([1, 2], [3]), ([0.5], [1.0])]
)
def test_wrong_counts_are_refused(inter, union):
    with pytest.raises(ValueError, match='intersections'):
        overlap_scores(inter, union)
