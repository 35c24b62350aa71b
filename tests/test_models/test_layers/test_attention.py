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


FORMS = dict(few_keys=(7, 4), few_queries=(4, 7), no_mask=(7, 4))


@pytest.mark.parametrize('form', FORMS)
def test_forms_for_few_tokens_equal_the_standard_one(form):
    """Two heads of eight channels: four tokens are few, seven are many."""
    torch.manual_seed(0)
    queries, keys = FORMS[form]
    attention = MultiheadAttention(8, 2)
    nn.init.normal_(attention.query_proj.bias), nn.init.normal_(attention.value_proj.bias)
    padding = torch.arange(keys) >= torch.tensor([[keys], [keys - 2], [1]])
    padding = None if form == 'no_mask' else padding
    query, key, value = (torch.randn(3, n, 8, requires_grad=True) for n in (queries, keys, keys))
    leaves = [query, key, value, *attention.parameters()]
    fast = attention(query, key, value, key_padding=padding)
    slow = attention.attend(attention.query_proj(query), key, value, key_padding=padding)
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-6)
    gradients = (torch.autograd.grad(result.square().sum(), leaves) for result in (fast, slow))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('number', [4, 5])
def test_tokens_are_few_up_to_the_channels_over_the_heads_in_float32_only(number):
    attention, tokens = MultiheadAttention(8, 2), torch.zeros(3, number, 8)
    assert attention.are_few(tokens) is (number == 4)
    with torch.autocast('cpu', torch.bfloat16):
        assert not attention.are_few(tokens)
