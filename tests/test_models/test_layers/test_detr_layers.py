"""Transformers of DETR and Deformable DETR against those of MMDetection."""

import pytest
import torch
from mmdet.models import layers as mmdet
from mmdet.models.layers import DetrTransformerDecoder, DetrTransformerEncoder
from torch import nn

from r2vos_mm.models.layers import (
    DeformableDetrTransformerDecoder,
    DeformableDetrTransformerEncoder,
    DetrDecoderWithoutAttentionWeights,
    DetrEncoderWithoutAttentionWeights,
)

ATTENTION = dict(
    embed_dims=16,
    num_heads=2,
    attn_drop=0.0,
    dropout_layer=dict(type='Dropout', drop_prob=0.0),
    batch_first=True,
)
FFN = dict(embed_dims=16, feedforward_channels=32, ffn_drop=0.0)


@pytest.mark.parametrize('mode', [True, False])
def test_same_names_values_and_gradients(mode):
    torch.manual_seed(0)
    tokens, position = torch.randn(2, 2, 7, 16).unbind(0)
    padding = torch.arange(7)[None] >= torch.tensor([[7], [5]])
    encoders = [
        kind(num_layers=2, layer_cfg=dict(self_attn_cfg=ATTENTION, ffn_cfg=FFN))
        for kind in (DetrTransformerEncoder, DetrEncoderWithoutAttentionWeights)
    ]
    decoders = [
        kind(
            num_layers=2,
            layer_cfg=dict(self_attn_cfg=ATTENTION, cross_attn_cfg=ATTENTION, ffn_cfg=FFN),
        )
        for kind in (DetrTransformerDecoder, DetrDecoderWithoutAttentionWeights)
    ]
    results = []
    for encoder, decoder in zip(encoders, decoders):
        encoder.load_state_dict(encoders[0].state_dict())
        decoder.load_state_dict(decoders[0].state_dict())
        encoder.train(mode), decoder.train(mode)
        memory = encoder(query=tokens, query_pos=position, key_padding_mask=padding)
        found = decoder(
            query=torch.zeros(2, 3, 16),
            query_pos=position[:, :3],
            key=memory,
            value=memory,
            key_pos=position,
            key_padding_mask=padding,
        )
        found.square().sum().backward()
        results.append((found, encoder.layers[0].self_attn.attn.in_proj_weight.grad))
    for value, expected in zip(results[1], results[0]):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('padded', [True, False])
def test_one_query_gives_the_values_and_gradients_of_mmdet(padded):
    torch.manual_seed(0)
    layer = dict(self_attn_cfg=ATTENTION, cross_attn_cfg=ATTENTION, ffn_cfg=FFN)
    memory = torch.randn(2, 7, 16)
    padding = torch.arange(7)[None] >= torch.tensor([[7], [5]]) if padded else None
    state, results = None, []
    for kind in (DetrTransformerDecoder, DetrDecoderWithoutAttentionWeights):
        decoder = kind(num_layers=2, layer_cfg=layer)
        state = state or decoder.state_dict()
        decoder.load_state_dict(state)
        inputs = dict(key=memory, value=memory, query_pos=None, key_pos=None)
        found = decoder(torch.ones(2, 1, 16), key_padding_mask=padding, **inputs)
        gradients = torch.autograd.grad(found.square().sum(), list(decoder.parameters()))
        results.append([found, *gradients])
    for value, expected in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


def test_dropout_of_one_querys_weights_has_the_mean_of_no_dropout():
    torch.manual_seed(0)
    layer = dict(
        self_attn_cfg=ATTENTION, cross_attn_cfg=dict(ATTENTION, attn_drop=0.5), ffn_cfg=FFN
    )
    attention = DetrDecoderWithoutAttentionWeights(num_layers=1, layer_cfg=layer)
    attention = attention.layers[0].cross_attn
    query, key = torch.randn(1, 1, 16).expand(4000, 1, 16), torch.randn(1, 7, 16)
    key = key.expand(4000, 7, 16)
    dropped = attention.train()(query, key, key)
    exact = attention.eval()(query, key, key)
    assert (dropped - exact).std() > 0.05
    torch.testing.assert_close(dropped.mean(0), exact[0], atol=0.02, rtol=0)


SHAPES = [(5, 6), (3, 3)]
DEFORMABLE = dict(embed_dims=16, num_heads=2, num_levels=2, num_points=3, dropout=0.0)


def deformable(kind: type, **config: object) -> nn.Module:
    """One transformer of two layers; the seed gives the same start to ours and MMDetection's."""
    torch.manual_seed(0)
    transformer = kind(num_layers=2, **config)
    for parameter in transformer.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return transformer


def compare_with_mmdet(ours: nn.Module, theirs: nn.Module, **inputs: object) -> None:
    assert {k: v.tolist() for k, v in ours.state_dict().items()} == {
        k: v.tolist() for k, v in theirs.state_dict().items()
    }
    inputs |= dict(valid_ratios=torch.tensor([[[1.0, 1.0]] * 2, [[1.0, 0.8]] * 2]))
    results = []
    for module, shapes in ((ours, SHAPES), (theirs, torch.tensor(SHAPES))):
        found = module(spatial_shapes=shapes, level_start_index=None, **inputs)
        found = [found] if isinstance(found, torch.Tensor) else list(found)
        loss = (found[0] * torch.linspace(-1, 1, found[0].numel()).view_as(found[0])).sum()
        results.append([*found, *torch.autograd.grad(loss, list(module.parameters()))])
    for value, expected in zip(*results, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('padded', [True, False])
def test_deformable_encoder_equals_mmdets(padded):
    config = dict(layer_cfg=dict(self_attn_cfg=DEFORMABLE, ffn_cfg=FFN))
    ours, theirs = (
        deformable(kind, **config)
        for kind in (DeformableDetrTransformerEncoder, mmdet.DeformableDetrTransformerEncoder)
    )
    compare_with_mmdet(
        ours,
        theirs,
        query=torch.randn(2, 39, 16),
        query_pos=torch.linspace(0, 1, 16).expand(2, 39, 16),
        key_padding_mask=torch.arange(39) >= torch.tensor([[39], [35]]) if padded else None,
    )


def test_deformable_decoder_equals_mmdets():
    """The first layer refers to points, the second to the boxes of the first."""
    layer = dict(self_attn_cfg=ATTENTION, cross_attn_cfg=DEFORMABLE, ffn_cfg=FFN)
    config = dict(return_intermediate=True, post_norm_cfg=None, layer_cfg=layer)
    ours, theirs = (
        deformable(kind, **config)
        for kind in (DeformableDetrTransformerDecoder, mmdet.DeformableDetrTransformerDecoder)
    )
    compare_with_mmdet(
        ours,
        theirs,
        query=torch.randn(2, 4, 16),
        query_pos=torch.randn(2, 4, 16),
        value=torch.randn(2, 39, 16),
        key_padding_mask=None,
        reference_points=torch.rand(2, 4, 2),
        reg_branches=nn.ModuleList(nn.Linear(16, 4) for _ in range(2)),
    )
