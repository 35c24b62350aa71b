"""Video Swin on a GPU, and with recomputed blocks, against the plain pass on the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from r2vos_mm.models.backbones import VideoSwinTransformer

# Windows that are shifted, grouped by mask and padded; then maps smaller than a window.
TINY = dict(
    embed_dims=8,
    depths=(2, 1, 2, 1),
    num_heads=(1, 2, 2, 4),
    window_size=(2, 3, 3),
    drop_path_rate=0.0,
)  # each device would draw other blocks
CLIPS = (2, 3, 3, 40, 56)
# Errors allowed in float32, relative to the largest value of a map or gradient. On the CPU float32
# differs from float64 by less than a tenth of it.
BOUND = 1e-4
GPU = (pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU'))


def maps_and_gradients(
    device: str, *, with_cp: bool = False, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Four maps, and the gradients of a scalar of them to the clips and all parameters.

    The same weights and clips whatever the device: they are drawn on the CPU. Every parameter gets
    noise, for the relative positions start at zero and the norms at one.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = VideoSwinTransformer(**TINY, with_cp=with_cp).train()
        for weight in model.parameters():
            weight.data += 0.2 * torch.randn_like(weight)
        clips = torch.randn(CLIPS)
    model.to(device, dtype)
    inputs = clips.to(device, dtype).requires_grad_()
    # convolutions on recent GPUs would round to the 10 bits of TF32
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        maps = model(inputs)
        sum(x.square().mean() for x in maps).backward()
    results = {f'map {level}': x.detach() for level, x in enumerate(maps)}
    results |= {name: weight.grad for name, weight in model.named_parameters()}
    return results | {'clips': inputs.grad}


def assert_near(found: dict[str, Tensor], expected: dict[str, Tensor], bound: float) -> None:
    """Largest errors relative to the largest expected value, quantity by quantity."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        scale = value.abs().max().item()
        assert scale > 0, name
        error = (found[name].cpu().double() - value.double()).abs().max().item()
        assert error <= bound * scale, (name, error / scale)


@pytest.mark.parametrize(
    ('device', 'with_cp'),
    [
        ('cpu', True),  # the same comparison where there is no GPU
        pytest.param('cuda', False, marks=GPU),
        pytest.param('cuda', True, marks=GPU),
    ],
)
def test_device_and_checkpointing_change_nothing(device: str, with_cp: bool) -> None:
    torch.set_num_threads(1)
    found = maps_and_gradients(device, with_cp=with_cp)
    assert {value.device.type for value in found.values()} == {device}
    assert_near(found, maps_and_gradients('cpu'), BOUND)


def test_bound_is_far_above_the_noise_of_float32() -> None:
    exact = maps_and_gradients('cpu', dtype=torch.float64)
    assert_near(maps_and_gradients('cpu'), exact, BOUND / 10)


@pytest.mark.parametrize('name', ['map 3', 'layers.0.blocks.1.attn.qkv.weight'])
def test_an_error_above_the_bound_is_seen(name: str) -> None:
    expected = {name: torch.tensor([1.0, -2.0])}
    assert_near({name: torch.tensor([1.00019, -2.0])}, expected, BOUND)  # 0.00019 / 2 < 1e-4
    with pytest.raises(AssertionError, match=name):
        assert_near({name: torch.tensor([1.00021, -2.0])}, expected, BOUND)
