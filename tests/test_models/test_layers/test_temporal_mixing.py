"""TemporalMixing: convolutions over neighbouring frames, blind to padding."""

import torch
from torch import nn

from r2vos_mm.models.layers import TemporalMixing

B, T, C = 2, 4, 3


def mixing(**changes: int) -> TemporalMixing:
    torch.manual_seed(0)
    module = TemporalMixing(**(dict(channels=C, num_levels=2, hidden=5) | changes))
    module.init_weights()
    return module


def levels(*sizes: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    maps = [torch.randn(B, T, C, size, size, generator=generator) for size in sizes]
    return maps, [torch.zeros(B, T, size, size, dtype=torch.bool) for size in sizes]


def trained(module: TemporalMixing) -> TemporalMixing:
    """A module whose last convolutions are no longer zero."""
    for convolution in module.outputs:
        nn.init.normal_(convolution.weight, std=0.1)
    return module


def test_starts_as_the_identity() -> None:
    maps, paddings = levels(6, 3)
    for before, after in zip(maps, mixing()(maps, paddings), strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_hand_arithmetic() -> None:
    """Weights that pick the frame before: y_t = x_t + 2 * relu(x_{t-1}), x_{-1} = 0."""
    module = mixing(channels=1, num_levels=1, hidden=1)
    for convolution in (*module.inputs, *module.outputs):
        nn.init.zeros_(convolution.weight)
        nn.init.zeros_(convolution.bias)
    module.inputs[0].weight.data[0, 0, 0, 1, 1] = 1.0
    module.outputs[0].weight.data[0, 0, 1, 1, 1] = 2.0
    clip = torch.tensor([3.0, -1.0, 5.0]).view(1, 3, 1, 1, 1)
    (result,) = module([clip], [torch.zeros(1, 3, 1, 1, dtype=torch.bool)])
    assert result.flatten().tolist() == [3.0, -1.0 + 2 * 3.0, 5.0 + 2 * 0.0]


def test_a_frame_sees_two_neighbours_on_either_side() -> None:
    module = trained(mixing(num_levels=1))
    clip = torch.randn(1, 7, C, 4, 4, requires_grad=True)
    (result,) = module([clip], [torch.zeros(1, 7, 4, 4, dtype=torch.bool)])
    result[0, 3].sum().backward()
    seen = clip.grad.abs().sum((0, 2, 3, 4)) > 0
    assert seen.tolist() == [False, True, True, True, True, True, False]


def test_padding_does_not_leak() -> None:
    module = trained(mixing(num_levels=1))
    small = torch.randn(1, T, C, 4, 5)
    padded = torch.full((1, T, C, 6, 8), 9.0)
    padded[..., :4, :5] = small
    padding = torch.ones(1, T, 6, 8, dtype=torch.bool)
    padding[..., :4, :5] = False
    (alone,) = module([small], [padding[..., :4, :5]])
    (together,) = module([padded], [padding])
    torch.testing.assert_close(together[..., :4, :5], alone)


def test_gradients_under_bfloat16_are_those_of_float32() -> None:
    """oneDNN's bfloat16 gradient of these weights is NaN or about 1e38 on CPUs with AMX."""
    module = trained(TemporalMixing(channels=128, num_levels=1, hidden=64))
    clip = torch.randn(1, 3, 128, 28, 48, generator=torch.Generator().manual_seed(0))

    def gradient(enabled: bool) -> torch.Tensor:
        module.zero_grad()
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            (result,) = module([clip], None)
        result.square().mean().backward()
        return module.inputs[0].weight.grad.clone()

    torch.testing.assert_close(gradient(True), gradient(False), rtol=0, atol=1e-6)
