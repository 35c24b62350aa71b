"""Deformable attention that sums one sampling point at a time."""

import pytest
import torch
from mmcv.ops import MultiScaleDeformableAttention

from r2vos_mm.models.layers.deformable_attention import DeformableAttention, sample_and_sum


def test_a_sample_between_four_cells_is_their_mean():
    """At x = 0.5, y = 0.5 of a map of 2 x 2 cells lie all four; outside of the map is zero."""
    value = torch.tensor([1.0, 2.0, 3.0, 6.0]).view(1, 4, 1, 1)
    locations = torch.tensor([[0.5, 0.5], [0.25, 0.75], [-0.25, 0.25]]).view(1, 1, 1, 1, 3, 2)
    weights = torch.tensor([1.0, 10.0, 100.0]).view(1, 1, 1, 1, 3)
    # 1 * (1 + 2 + 3 + 6) / 4 + 10 * 3 + 100 * 0
    assert sample_and_sum(value, [(2, 2)], locations, weights).item() == pytest.approx(33.0)


@pytest.mark.parametrize('axes', [2, 4])
@pytest.mark.parametrize('padded', [True, False])
def test_same_values_and_gradients_as_mmcv(padded, axes):
    """References are points or boxes; the queries are the cells themselves or others."""
    torch.manual_seed(0)
    shapes = [(5, 6), (3, 3)]
    options = dict(num_heads=2, num_levels=2, num_points=3, dropout=0.0, batch_first=True)
    ours, theirs = (
        kind(16, **options) for kind in (DeformableAttention, MultiScaleDeformableAttention)
    )
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ours.load_state_dict(theirs.state_dict())
    cells, queries = (torch.randn(2, n, 16, requires_grad=True) for n in (39, 7))
    padding = torch.arange(39) >= torch.tensor([[39], [35]]) if padded else None
    for query, value in ((cells, None), (queries, cells)):
        inputs = dict(
            query_pos=torch.linspace(0, 1, 16).expand_as(query),
            value=value,
            key_padding_mask=padding,
            reference_points=torch.rand(2, query.shape[1], 2, axes),
        )
        sizes = torch.tensor(shapes)
        found = ours(query, spatial_shapes=shapes, **inputs)
        expected = theirs(query, spatial_shapes=sizes, level_start_index=None, **inputs)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        found, expected = (
            torch.autograd.grad(x.square().sum(), [query, *module.parameters()])
            for x, module in ((found, ours), (expected, theirs))
        )
        for value, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(value, wanted, rtol=1e-4, atol=1e-4)
