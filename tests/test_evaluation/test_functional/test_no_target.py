"""N-acc, T-acc, gIoU, cIoU and S by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from r2vos_mm.evaluation import generalized_scores, null_score


def test_worked_example():
    # Two targets with (I, U) = (6, 10) and (3, 12), one silent and one wrong (5 px) no-target.
    scores = generalized_scores(
        [6, 3, 0, 0], [10, 12, 0, 5], [8, 6, 0, 5], [True, True, False, False]
    )
    assert scores['gIoU'] == pytest.approx((0.6 + 0.25 + 1 + 0) / 4)
    assert scores['cIoU'] == pytest.approx(9 / (10 + 12 + 5))
    assert scores['N_acc'] == 1 / 2
    assert scores['T_acc'] == 2 / 2
    assert [scores[f'Pr@{k}'] for k in (0.7, 0.8, 0.9)] == [0, 0, 0]


@pytest.mark.parametrize('seed', range(5))
def test_against_a_plain_loop_over_masks(seed: int):
    rng = np.random.default_rng(seed)
    masks = rng.random((2, 30, 5, 6)) < rng.choice([0, 0.2, 0.9], (2, 30, 1, 1))
    inter, union, right, total, found, silent = 0, 0, [], 0, [], []
    for pred, gt in zip(*masks):
        if gt.any():
            found.append(pred.any())
            right.append((pred & gt).sum() / (pred | gt).sum())
            inter, union = inter + (pred & gt).sum(), union + (pred | gt).sum()
        else:
            silent.append(not pred.any())
            total, union = total + silent[-1], union + pred.sum()
    either = (masks[0] | masks[1]).sum((1, 2))
    both, areas = (masks[0] & masks[1]).sum((1, 2)), masks[0].sum((1, 2))
    scores = generalized_scores(both, either, areas, masks[1].any((1, 2)))
    assert scores['gIoU'] == pytest.approx((sum(right) + total) / 30)
    assert scores['cIoU'] == pytest.approx(inter / union)
    assert (scores['N_acc'], scores['T_acc']) == (np.mean(silent), np.mean(found))
    for k in (0.7, 0.8, 0.9):
        assert scores[f'Pr@{k}'] == sum(iou >= k for iou in right) / len(right)


def test_accuracies():
    # 3 of 4 no-target samples are empty, 5 of 6 targets are not
    predicted = [0, 0, 0, 7, *[9] * 5, 0]
    has_target = [False] * 4 + [True] * 6
    scores = generalized_scores(
        [0] * 4 + [9] * 5 + [0], [0, 0, 0, 7, *[9] * 5, 9], predicted, has_target
    )
    assert scores['N_acc'] == pytest.approx(3 / 4)
    assert scores['T_acc'] == pytest.approx(5 / 6)
    # >= here: the five exact masks count at every K
    assert scores['Pr@0.9'] == pytest.approx(5 / 6)


def test_precision_counts_an_iou_of_k():
    scores = generalized_scores([7], [10], [7], [True])
    assert [scores[f'Pr@{k}'] for k in (0.7, 0.8, 0.9)] == [1, 0, 0]


def test_small_predictions_can_be_cleared():
    # 49 px on a target of 60 px are cleared: I := 0, U stays the raw 60; 49 px on nothing vanish
    scores = generalized_scores([49, 0], [60, 49], [49, 49], [True, False], clear_below=50)
    assert scores['N_acc'] == 1
    assert scores['T_acc'] == 0
    assert scores['cIoU'] == 0 / 60
    assert scores['gIoU'] == (0 + 1) / 2
    assert generalized_scores([50], [60], [50], [True], clear_below=50)['T_acc'] == 1


def test_absent_classes_are_nan():
    assert math.isnan(generalized_scores([1], [1], [1], [True])['N_acc'])
    silent = generalized_scores([0], [0], [0], [False])
    assert math.isnan(silent['T_acc'])
    assert math.isnan(silent['cIoU'])
    assert silent['gIoU'] == 1


def test_lengths_must_agree():
    with pytest.raises(ValueError, match='one entry per sample'):
        generalized_scores([1], [1], [1, 2], [True])


def test_null_score():
    # Two frames of 100 pixels, 4 px and 0 px
    assert null_score([4, 0], [100, 100]) == pytest.approx((4 / 200) ** 0.5)
    assert null_score([4, 0], [100, 100]) == pytest.approx(0.14142, abs=5e-6)
    assert null_score([0], [10]) == 0
    with pytest.raises(ValueError, match='pixels'):
        null_score([], [])
