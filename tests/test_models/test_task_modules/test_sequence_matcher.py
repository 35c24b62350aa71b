"""Queries matched with all instances of a clip."""

import itertools

import pytest
import torch

from r2vos_mm.models.task_modules import SequenceMatcher
from r2vos_mm.structures import InstanceTargets, QueryPredictions

COSTS = [
    dict(type='mmdet.ClassificationCost', weight=2.0),
    dict(type='mmdet.DiceCost', pred_act=True, eps=1.0, weight=5.0),
]


def random_case(*, frames: int = 3, queries: int = 5, instances: int = 3) -> tuple:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(frames, queries, generator=generator)
    masks = 3 * torch.randn(frames, queries, 4, 6, generator=generator)
    wanted = torch.rand(instances, frames, 8, 12, generator=generator) > 0.7
    wanted[1, 0] = False
    return (
        scores,
        masks,
        InstanceTargets(wanted, wanted.flatten(2).any(-1), referred=torch.arange(instances) == 1),
    )


def test_costs_are_those_of_the_formula():
    """2 C_ref + 5 C_dice: -softmax in each class, and 1 - dice, means over frames."""
    scores, masks, target = random_case()
    found = SequenceMatcher(COSTS).costs(scores, masks, target)
    large = torch.nn.functional.interpolate(masks, (8, 12), mode='bilinear').sigmoid()
    for query, instance in itertools.product(range(5), range(3)):
        expected = 0.0
        for frame in range(3):
            wanted = target.masks[instance, frame].float()
            mask = large[frame, query]
            dice = (2 * (mask * wanted).sum() + 1) / (mask.sum() + wanted.sum() + 1)
            referred = scores[frame, query].sigmoid()
            is_seen = instance == 1 and bool(target.valid[1, frame])
            expected += -2 * (referred if is_seen else 1 - referred) + 5 * (1 - dice)
        assert found[query, instance].item() == pytest.approx(expected.item() / 3, rel=1e-5)


def test_the_assignment_is_the_cheapest_of_all():
    scores, masks, target = random_case()
    matcher = SequenceMatcher(COSTS)
    costs = matcher.costs(scores, masks, target)
    match = matcher(QueryPredictions(scores[None], None, masks[None]), [target])[0]
    best = min(
        itertools.permutations(range(5), 3),
        key=lambda queries: sum(costs[query, k].item() for k, query in enumerate(queries)),
    )
    assert {int(k): int(query) for query, k in zip(match.queries, match.instances)} == dict(
        enumerate(best)
    )


def test_more_instances_than_queries():
    scores, masks, target = random_case(queries=2)
    match = SequenceMatcher(COSTS)(QueryPredictions(scores[None], None, masks[None]), [target])[0]
    assert match.queries.tolist() == [0, 1]
    assert len(set(match.instances.tolist())) == 2


def test_no_cost_is_refused():
    with pytest.raises(ValueError, match='costs is empty'):
        SequenceMatcher([])
