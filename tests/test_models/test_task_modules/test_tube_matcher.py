"""Tube matching: each cost by hand, invariants of the whole, pairs without their object."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from r2vos_mm.models.task_modules import (
    TubeDiceCost,
    TubeFocalCost,
    TubeGIoUCost,
    TubeL1Cost,
    TubeMatcher,
    TubeScoreCost,
)
from r2vos_mm.structures import PairTargets, QueryPredictions

COSTS = [
    dict(type='TubeScoreCost', weight=2.0),
    dict(type='TubeL1Cost', weight=5.0),
    dict(type='TubeGIoUCost', weight=2.0),
    dict(type='TubeFocalCost', weight=5.0),
    dict(type='TubeDiceCost', weight=2.0),
]


def scene(
    seed: int = 0, *, pairs: int = 3, frames: int = 2, queries: int = 4, size: int = 4
) -> tuple[QueryPredictions, PairTargets]:
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    valid = uniform(pairs, frames) > 0.3
    valid[:, 0] = True
    predictions = QueryPredictions(
        scores=6 * uniform(pairs, frames, queries) - 3,
        boxes=0.2 + 0.4 * uniform(pairs, frames, queries, 4),
        masks=6 * uniform(pairs, frames, queries, size, size) - 3,
    )
    targets = PairTargets(
        boxes=(0.2 + 0.4 * uniform(pairs, frames, 4)) * valid[..., None],
        masks=(uniform(pairs, frames, size, size) > 0.5) & valid[..., None, None],
        valid=valid,
    )
    return predictions, targets


def one_query(
    *, scores=(0.0, 0.0), boxes=((0.0,) * 4, (0.0,) * 4), masks=((0.0,), (0.0,))
) -> QueryPredictions:
    """One pair, two frames, one query; masks of one row of cells."""
    return QueryPredictions(
        torch.tensor(scores).view(1, 2, 1),
        torch.tensor(boxes).view(1, 2, 1, 4),
        torch.tensor(masks)[None, :, None, None],
    )


def one_target(
    *, boxes=((0.0,) * 4, (0.0,) * 4), masks=((0.0,), (0.0,)), valid=(True, True)
) -> PairTargets:
    return PairTargets(
        torch.tensor(boxes)[None],
        torch.tensor(masks).bool()[None, :, None],
        torch.tensor(valid)[None],
    )


def test_score_cost_by_hand():
    # Logit 0, p = 1/2: alpha (1-p)^2 (-log p) - (1-alpha) p^2 (-log(1-p)) = (1/16 - 3/16) log 2.
    # The second frame does not show the object and does not count.
    cost = TubeScoreCost(weight=2.0)(one_query(scores=(0.0, 5.0)), one_target(valid=(True, False)))
    assert cost.item() == pytest.approx(2 * (1 / 16 - 3 / 16) * math.log(2), rel=1e-6)


@pytest.mark.parametrize(('absent_frame_weight', 'expected'), [(0.0, 0.6), (1.0, (0.6 + 1.0) / 2)])
def test_l1_cost_by_hand(absent_frame_weight, expected):
    # |0.1| + |0.2| + |0.1| + |0.2| = 0.6 where visible; 0.3 + 0.3 + 0.2 + 0.2 = 1 to the zero box.
    cost = TubeL1Cost(absent_frame_weight=absent_frame_weight)(
        one_query(boxes=((0.4, 0.4, 0.3, 0.3), (0.3, 0.3, 0.2, 0.2))),
        one_target(boxes=((0.5, 0.6, 0.2, 0.1), (0.0, 0.0, 0.0, 0.0)), valid=(True, False)),
    )
    assert cost.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(('absent_frame_weight', 'frames'), [(0.0, 1), (1.0, 2)])
def test_giou_cost_by_hand(absent_frame_weight, frames):
    # Visible frame: I = .01, U = .07, E = .09. Absent frame, box of area .04 whose far corner is at
    # (.4, .4), target empty at the origin: I = 0, U = .04, E = .16.
    eps = 1e-6
    visible = (0.01 + eps) / (0.07 + eps) - (0.02 + eps) / (0.09 + eps)
    absent = eps / (0.04 + eps) - (0.12 + eps) / (0.16 + eps)
    cost = TubeGIoUCost(absent_frame_weight=absent_frame_weight)(
        one_query(boxes=((0.1, 0.1, 0.2, 0.2), (0.3, 0.3, 0.2, 0.2))),
        one_target(boxes=((0.2, 0.2, 0.2, 0.2), (0.0, 0.0, 0.0, 0.0)), valid=(True, False)),
    )
    assert cost.item() == pytest.approx(-(visible + absent * (frames - 1)) / frames, rel=1e-5)


def test_focal_cost_by_hand():
    # Four cells over two frames, all p = 1/2, one foreground: (1 * alpha + 3 * (1 - alpha)) / 4
    # times p^2 log 2.
    cost = TubeFocalCost(weight=5.0)(
        one_query(masks=((0.0, 0.0), (0.0, 0.0))), one_target(masks=((1.0, 0.0), (0.0, 0.0)))
    )
    assert cost.item() == pytest.approx(5 * (0.25 + 3 * 0.75) / 4 * 0.25 * math.log(2), rel=1e-6)


def test_focal_cost_of_certain_errors_is_exact():
    # -log p = 100 at logit -100 for a foreground cell, far below the smallest p of float32 + eps.
    cost = TubeFocalCost()(
        one_query(masks=((-100.0,), (-100.0,))), one_target(masks=((1.0,), (0.0,)))
    )
    assert cost.item() == pytest.approx(0.25 * 100 / 2, rel=1e-6)


def test_dice_cost_by_hand():
    # p = 1/2 in four cells, two foreground: 2 * 1 + 1 over 2 + 2 + 1.
    cost = TubeDiceCost(weight=2.0)(
        one_query(masks=((0.0, 0.0), (0.0, 0.0))), one_target(masks=((1.0, 1.0), (0.0, 0.0)))
    )
    assert cost.item() == pytest.approx(-2 * 3 / 5, rel=1e-6)


def test_the_right_query_wins():
    predictions, targets = scene(pairs=3, queries=4)
    for pair, query in enumerate((2, 0, 3)):
        predictions.boxes[pair, :, query] = targets.boxes[pair]
        predictions.masks[pair, :, query] = targets.masks[pair] * 12.0 - 6
        predictions.scores[pair, :, query] = 3
    queries = TubeMatcher(COSTS)(predictions, targets)
    assert queries.dtype == torch.long
    assert queries.tolist() == [2, 0, 3]


def test_a_pair_without_visible_frames_is_matched_by_finite_costs():
    predictions, targets = scene(pairs=2)
    targets = PairTargets(
        torch.zeros_like(targets.boxes),
        torch.zeros_like(targets.masks),
        torch.zeros_like(targets.valid),
    )
    matcher = TubeMatcher(COSTS)
    assert torch.isfinite(matcher.costs(predictions, targets)).all()
    assert matcher(predictions, targets).shape == (2,)


def test_no_pairs():
    predictions, targets = scene(pairs=2)
    none = torch.zeros(len(targets.valid), dtype=torch.bool)
    queries = TubeMatcher(COSTS)(
        QueryPredictions(
            predictions.scores[none], predictions.boxes[none], predictions.masks[none]
        ),
        PairTargets(targets.boxes[none], targets.masks[none], targets.valid[none]),
    )
    assert queries.shape == (0,)


def test_no_gradient_and_full_precision_under_autocast():
    predictions, targets = scene()
    predictions.masks.requires_grad_()
    expected = TubeMatcher(COSTS).costs(predictions, targets)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        costs = TubeMatcher(COSTS).costs(predictions, targets)
    assert costs.dtype == torch.float32
    assert not costs.requires_grad
    assert torch.equal(costs, expected)


def test_inputs_stay_as_they_are():
    predictions, targets = scene()
    before = predictions.masks.clone(), predictions.boxes.clone(), predictions.scores.clone()
    TubeMatcher(COSTS)(predictions, targets)
    after = predictions.masks, predictions.boxes, predictions.scores
    assert all(map(torch.equal, before, after))


def test_masks_of_another_size_are_refused():
    predictions, targets = scene()
    targets = PairTargets(targets.boxes, targets.masks[..., :2], targets.valid)
    with pytest.raises(ValueError, match='do not fit target masks'):
        TubeMatcher(COSTS)(predictions, targets)


def test_costs_must_be_named():
    with pytest.raises(ValueError, match='costs is empty'):
        TubeMatcher([])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_queries_and_pairs_are_independent(seed):
    predictions, targets = scene(seed)
    matcher = TubeMatcher(COSTS)
    costs = matcher.costs(predictions, targets)
    order = torch.randperm(4, generator=torch.Generator().manual_seed(seed))
    shuffled = QueryPredictions(
        predictions.scores[:, :, order],
        predictions.boxes[:, :, order],
        predictions.masks[:, :, order],
    )
    assert torch.allclose(matcher.costs(shuffled, targets), costs[:, order], atol=1e-5)
    alone = matcher.costs(
        QueryPredictions(predictions.scores[1:2], predictions.boxes[1:2], predictions.masks[1:2]),
        PairTargets(targets.boxes[1:2], targets.masks[1:2], targets.valid[1:2]),
    )
    assert torch.allclose(alone, costs[1:2], atol=1e-5)
