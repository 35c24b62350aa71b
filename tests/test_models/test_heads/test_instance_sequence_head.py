"""Losses of MTTR's head against their formulas."""

import math

import pytest
import torch
from mmengine.config import Config
from toy_models import CONFIGS

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import InstanceTargets, PairTargets, QueryPredictions


@pytest.fixture(scope='module')
def head() -> torch.nn.Module:
    torch.set_num_threads(1)
    config = Config.fromfile(CONFIGS / '_base_/models/mttr_tiny.py').model.mask_head
    return MODELS.build(config)


def case(*, visible: tuple[bool, bool] = (True, False)) -> tuple[QueryPredictions, PairTargets]:
    """Three queries, two instances in two frames; query 2 is instance 0, query 0 the referred 1."""
    wanted = torch.zeros(2, 2, 4, 4, dtype=torch.bool)
    wanted[0, :, :2] = True
    for frame, seen in enumerate(visible):
        wanted[1, frame, 2:] = seen
    masks = torch.full((1, 2, 3, 4, 4), -20.0)
    masks[0, :, 2, :2] = 20.0
    masks[0, :, 0, 2:] = 20.0
    scores = torch.tensor([[[2.0, -3.0, 0.5], [1.0, 2.0, 0.0]]])
    instances = [InstanceTargets(wanted, wanted.flatten(2).any(-1), torch.tensor([False, True]))]
    targets = PairTargets(torch.zeros(1, 2, 4), wanted[1:], instances[0].valid[1:], instances)
    return QueryPredictions(scores, None, masks), targets


def test_losses_are_those_of_the_formulas(head):
    predictions, targets = case()
    losses = head.loss([predictions], targets)

    def entropy(score: float, referred: bool) -> float:
        return math.log1p(math.exp(-score if referred else score))

    # weight 1 for the referred instance's query in both frames, 0.1 for the others; per frame
    expected = (
        entropy(2, True)
        + entropy(1, False)
        + 0.1 * sum(entropy(score, False) for score in (-3, 0.5, 2, 0))
    ) / 2
    assert losses['loss_referred'].item() == pytest.approx(2 * expected, rel=1e-5)
    # four masks (2 instances x 2 frames), one of them empty: its dice loss is 1 - 1 / (8 + 1)
    assert losses['loss_dice'].item() == pytest.approx(5 * (1 - 1 / 9) / 4, rel=1e-4)
    # focal loss of 8 of 16 pixels at logit 20 with target 0: 0.75 * 20 each, mean over pixels
    assert losses['loss_mask'].item() == pytest.approx(2 * 0.75 * 20 * 8 / 16 / 4, rel=1e-4)


def test_every_layer_has_its_losses(head):
    predictions, targets = case()
    losses = head.loss([predictions, predictions], targets)
    assert losses.keys() == {
        prefix + name
        for prefix in ('', 'd0.')
        for name in ('loss_referred', 'loss_mask', 'loss_dice')
    }
    assert losses['loss_dice'] == losses['d0.loss_dice']


def test_never_visible_object_is_learned_as_other(head):
    predictions, targets = case(visible=(False, False))
    loss = head.loss([predictions], targets)['loss_referred']
    assert loss.isfinite()
    lower = QueryPredictions(predictions.scores - 1, None, predictions.masks)
    assert head.loss([lower], targets)['loss_referred'] < loss


def test_instances_that_are_not_there_are_asked_for(head):
    predictions, targets = case()
    targets.instances = None
    with pytest.raises(ValueError, match='with_instances=True'):
        head.loss([predictions], targets)
