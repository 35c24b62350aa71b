"""Channels of a convolution combined without computing it."""

import pytest
import torch
from torch import nn

from r2vos_mm.models.layers.convolved_maps import ConvolvedMaps, combine_channels


def case(*, rows: int, kernel: int = 3, bias: bool = True) -> tuple[torch.Tensor, ConvolvedMaps]:
    torch.manual_seed(0)
    convolution = nn.Conv2d(6, 8, kernel, padding=kernel // 2, bias=bias)
    maps = torch.randn(2, 3, 6, 5, 7, requires_grad=True)
    return torch.randn(2, 3, rows, 8, requires_grad=True), ConvolvedMaps(maps, convolution)


@pytest.mark.parametrize('rows', [1, 2])
@pytest.mark.parametrize(('kernel', 'bias'), [(3, True), (3, False), (1, True), (5, True)])
def test_combinations_and_gradients_equal_those_of_the_output(rows, kernel, bias):
    weights, features = case(rows=rows, kernel=kernel, bias=bias)
    leaves = [weights, features.maps, *features.convolution.parameters()]
    fast, slow = features.combine(weights), combine_channels(weights, features.compute())
    assert fast.shape == (2, 3, rows, 5, 7)
    torch.testing.assert_close(fast, slow, rtol=1e-5, atol=1e-5)
    fast, slow = (torch.autograd.grad(x.square().sum(), leaves) for x in (fast, slow))
    for ours, theirs in zip(fast, slow, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5 * theirs.abs().max().item())


@pytest.mark.parametrize('rows', [2, 3])
def test_output_is_computed_only_for_many_combinations(rows, monkeypatch):
    """Of eight channels, two combinations are folded and three are not."""
    weights, features = case(rows=rows)
    computed = []
    compute = features.compute
    monkeypatch.setattr(features, 'compute', lambda: computed.append(1) or compute())
    combine_channels(weights, features)
    assert bool(computed) is (rows == 3)


def test_bfloat16_stays_close():
    weights, features = case(rows=1)
    exact = features.combine(weights)
    with torch.autocast('cpu', torch.bfloat16):
        rounded = features.combine(weights)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, atol=0.05, rtol=0.05)
