"""Generalized IoU of tubes: hand arithmetic, empty boxes, agreement with mmdet elsewhere."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

from r2vos_mm.models.losses import TubeGIoULoss, aligned_giou

EPS = 1e-6


def test_giou_by_hand():
    # Squares of side 2, shifted by (1, 1): I = 1, U = 4 + 4 - 1 = 7, E = 9.
    giou = aligned_giou(torch.tensor([0.0, 0.0, 2.0, 2.0]), torch.tensor([1.0, 1.0, 3.0, 3.0]))
    assert giou.item() == pytest.approx((1 + EPS) / (7 + EPS) - (2 + EPS) / (9 + EPS), rel=1e-6)


def test_loss_takes_centre_boxes():
    # The same squares, a tenth of the size, as cx, cy, w, h: I, U, E scale by 1/100.
    loss = TubeGIoULoss()(
        torch.tensor([[0.1, 0.1, 0.2, 0.2]]), torch.tensor([[0.2, 0.2, 0.2, 0.2]])
    )
    expected = 1 - ((0.01 + EPS) / (0.07 + EPS) - (0.02 + EPS) / (0.09 + EPS))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_two_empty_boxes():
    # (0 + eps) / (0 + eps) - (0 + eps) / (0 + eps) = 0, so the loss is 1.
    assert TubeGIoULoss()(torch.zeros(1, 4), torch.zeros(1, 4)).item() == pytest.approx(1)


def test_empty_target_is_finite_with_finite_gradient():
    pred = torch.tensor([[0.5, 0.5, 0.2, 0.4], [0.0, 0.0, 0.0, 0.0]], requires_grad=True)
    loss = TubeGIoULoss()(pred, torch.zeros(2, 4))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(pred.grad).all()


def test_weights_and_normalizer():
    pred, target = boxes(1, 6).view(2, 3, 4), boxes(2, 6).view(2, 3, 4)
    weight = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    each = TubeGIoULoss(reduction='none')(pred, target)
    loss = TubeGIoULoss(loss_weight=2.0)(pred, target, weight, avg_factor=4)
    assert each.shape == (2, 3)
    assert loss.item() == pytest.approx(2 * (each * weight).sum().item() / 4, rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_bounds_symmetry_and_agreement_with_mmdet(seed):
    first, second = corners(boxes(seed, 16)), corners(boxes(seed + 1, 16))
    giou = aligned_giou(first, second)
    assert giou.abs().max() <= 1 + 1e-6
    assert torch.allclose(giou, aligned_giou(second, first), atol=1e-6)
    # Sides are at least 0.05, so that eps is at most 4e-4 of an area.
    reference = bbox_overlaps(first, second, mode='giou', is_aligned=True)
    assert torch.allclose(giou, reference, atol=1e-3)


def boxes(seed: int, count: int) -> Tensor:
    """Random (count, 4) centre boxes with sides of 0.05 to 0.5."""
    values = torch.rand(count, 4, generator=torch.Generator().manual_seed(seed))
    return torch.cat([values[:, :2], 0.05 + 0.45 * values[:, 2:]], dim=1)


def corners(centre_boxes: Tensor) -> Tensor:
    centre, size = centre_boxes.split(2, dim=-1)
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)
