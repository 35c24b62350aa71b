"""Attention with separate projections."""

import pytest
import torch
from torch import nn

from r2vos_mm.models.layers import MultiheadAttention


@pytest.fixture
def pair() -> tuple[MultiheadAttention, nn.MultiheadAttention]:
    """The same attention, here and in torch."""
    torch.manual_seed(0)
    ours, theirs = MultiheadAttention(8, 2), nn.MultiheadAttention(8, 2, batch_first=True)
    nn.init.normal_(theirs.in_proj_bias)
    parts = zip(
        (ours.query_proj, ours.key_proj, ours.value_proj),
        theirs.in_proj_weight.chunk(3),
        theirs.in_proj_bias.chunk(3),
    )
    for projection, weight, bias in parts:
        projection.weight.data.copy_(weight)
        projection.bias.data.copy_(bias)
    ours.out_proj.load_state_dict(theirs.out_proj.state_dict())
    return ours, theirs


def test_equals_torch_with_padding(pair):
    ours, theirs = pair
    query, key, value = torch.randn(2, 3, 8), torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    padding = torch.tensor([[False] * 5, [False, False, True, True, True]])
    expected, weights = theirs(query, key, value, key_padding_mask=padding)
    torch.testing.assert_close(ours(query, key, value, key_padding=padding), expected)
    torch.testing.assert_close(ours.weights(query, key, key_padding=padding), weights)
    expected, weights = theirs(query, key, value)
    torch.testing.assert_close(ours(query, key, value), expected)
    torch.testing.assert_close(ours.weights(query, key), weights)


def test_queries_can_be_projected_before_they_are_repeated(pair):
    attention = pair[0]
    query, key = torch.randn(1, 3, 8), torch.randn(2, 5, 8)
    once = attention.attend(attention.query_proj(query)[[0, 0]], key, key)
    torch.testing.assert_close(once, attention(query[[0, 0]], key, key))


def test_padded_keys_are_not_seen(pair):
    query, key = torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    padding = torch.tensor([[False, False, False, True, True]])
    expected = pair[0](query, key[:, :3], key[:, :3])
    key[:, 3:] = 1e4
    torch.testing.assert_close(pair[0](query, key, key, key_padding=padding), expected)


def test_mixed_precision_stays_close_and_has_gradients(pair):
    query, key = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    padding = torch.tensor([[False] * 5, [False, False, True, True, True]])
    expected = pair[0](query, key, key, key_padding=padding)
    with torch.autocast('cpu', torch.bfloat16):
        result = pair[0](query, key, key, key_padding=padding)
    torch.testing.assert_close(result.float(), expected, atol=0.05, rtol=0.05)
    result.float().sum().backward()
    assert all(p.grad is not None for p in pair[0].parameters())


def test_channels_must_split_into_heads():
    with pytest.raises(ValueError, match=r'channels \(10\) must be divisible by num_heads \(4\)'):
        MultiheadAttention(10, 4)
