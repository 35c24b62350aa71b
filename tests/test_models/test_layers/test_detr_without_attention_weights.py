"""DETR's transformer with and without attention maps on the side: one result, one set of names."""

import pytest
import torch
from mmdet.models.layers import DetrTransformerDecoder, DetrTransformerEncoder

from r2vos_mm.models.layers import (
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
    attention = attention.layers[0].cross_attn.attn
    query, key = torch.randn(1, 1, 16).expand(1, 4000, 16), torch.randn(7, 1, 16)
    key = key.expand(7, 4000, 16)
    dropped = attention.train()(query, key, key)[0]
    exact = attention.eval()(query, key, key)[0]
    assert (dropped - exact).std() > 0.05
    torch.testing.assert_close(dropped.mean(1), exact[:, 0], atol=0.02, rtol=0)
