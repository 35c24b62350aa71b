"""Deformable encoder whose attention sums one sampling point at a time."""

import pytest
import torch
from mmdet.models.layers import DeformableDetrTransformerEncoder as MMDetEncoder

from r2vos_mm.models.layers import DeformableDetrTransformerEncoder
from r2vos_mm.models.layers.deformable_encoder import sample_and_sum
from r2vos_mm.models.layers.maps import level_layout


def test_a_sample_between_four_cells_is_their_mean():
    """At x = 0.5, y = 0.5 of a map of 2 x 2 cells lie all four; outside of the map is zero."""
    value = torch.tensor([1.0, 2.0, 3.0, 6.0]).view(1, 4, 1, 1)
    locations = torch.tensor([[0.5, 0.5], [0.25, 0.75], [-0.25, 0.25]]).view(1, 1, 1, 1, 3, 2)
    weights = torch.tensor([1.0, 10.0, 100.0]).view(1, 1, 1, 1, 3)
    # 1 * (1 + 2 + 3 + 6) / 4 + 10 * 3 + 100 * 0
    assert sample_and_sum(value, [(2, 2)], locations, weights).item() == pytest.approx(33.0)


@pytest.mark.parametrize('padded', [True, False])
def test_same_names_values_and_gradients_as_mmdet(padded):
    torch.manual_seed(0)
    shapes = [(5, 6), (3, 3)]
    attention = dict(embed_dims=16, num_heads=2, num_levels=2, num_points=3, batch_first=True)
    config = dict(
        num_layers=2,
        layer_cfg=dict(
            self_attn_cfg=dict(attention, dropout=0.0),
            ffn_cfg=dict(embed_dims=16, feedforward_channels=32, ffn_drop=0.0),
        ),
    )
    tokens = torch.randn(2, 39, 16, requires_grad=True)
    padding = torch.arange(39) >= torch.tensor([[39], [35]]) if padded else None
    state, results = None, []
    for kind in (MMDetEncoder, DeformableDetrTransformerEncoder):
        encoder = kind(**config)
        if state is None:
            state = {k: v + 0.1 * torch.randn_like(v) for k, v in encoder.state_dict().items()}
        encoder.load_state_dict(state)
        found = encoder(
            query=tokens,
            query_pos=torch.linspace(0, 1, 16).expand(2, 39, 16),
            key_padding_mask=padding,
            valid_ratios=torch.tensor([[[1.0, 1.0]] * 2, [[1.0, 0.8]] * 2]),
            **level_layout(shapes, tokens.device),
        )
        loss = (found * torch.linspace(-1, 1, found.numel()).view_as(found)).sum()
        results.append([found, *torch.autograd.grad(loss, [tokens, *encoder.parameters()])])
    for value, expected in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)
