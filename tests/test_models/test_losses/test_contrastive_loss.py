"""Hinge on the negative pairs."""

import pytest
import torch

from r2vos_mm.models.losses import CycleContrastiveLoss


def test_by_hand():
    # Distances 0.1 and 0.5: mean 0.3, hinge 0.5 - 0.3 = 0.2, weight 0.1.
    reconstructed = torch.tensor([[0.1, 0.0], [0.3, 0.4]])
    loss = CycleContrastiveLoss(margin=0.5, loss_weight=0.1)(reconstructed, torch.zeros(2, 2))
    assert loss.item() == pytest.approx(0.02, rel=1e-5)


def test_far_pairs_cost_nothing():
    assert CycleContrastiveLoss()(torch.ones(2, 4), torch.zeros(2, 4)).item() == 0


def test_no_pairs_cost_nothing_but_stay_connected():
    nothing = torch.zeros(0, 4, requires_grad=True)
    loss = CycleContrastiveLoss()(nothing, torch.zeros(0, 4))
    loss.backward()
    assert loss.item() == 0
    assert nothing.grad is not None


def test_equal_embeddings_have_a_finite_gradient():
    reconstructed = torch.ones(2, 4, requires_grad=True)
    CycleContrastiveLoss()(reconstructed, torch.ones(2, 4)).backward()
    assert torch.isfinite(reconstructed.grad).all()
