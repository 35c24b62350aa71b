"""Swin backbones against maps of the publicly released models, with weights made from names."""

import hashlib
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.models import SwinTransformer
from torch import Tensor

from r2vos_mm.models.backbones import VideoSwinTransformer, convert_swin, convert_video_swin

PREFIX = 'backbone.0.body.'
CELLS = Path(__file__).parents[2] / 'data' / 'released_backbone_cells.npz'
SIZES = {'t': dict(), 'b': dict(embed_dims=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32))}
# float32 maps of spread 1 to 5 through up to 24 blocks; 1.4e-5 was the largest error seen.
TOLERANCE = 5e-5


def fill(name: str, shape: tuple[int, ...]) -> Tensor:
    """The value of a backbone tensor, from its released name and shape alone.

    Noise seeded by the name: x0.05 in biases, 1 + x0.1 in other vectors, /sqrt(fan in) else.
    """
    seed = int(hashlib.md5(name.encode()).hexdigest()[:8], 16)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    if name.endswith('.bias'):
        return 0.05 * noise
    if len(shape) == 1:
        return 1 + 0.1 * noise
    return noise / math.sqrt(math.prod(shape[1:]))


def clip(frames: int) -> Tensor:
    """(frames, 3, 64, 96), the input that the reference maps belong to."""
    return torch.randn(frames, 3, 64, 96, generator=torch.Generator().manual_seed(11))


def video_swin(size: str) -> VideoSwinTransformer:
    """A Video Swin with the reference weights, through the conversion of released names."""
    with torch.device('meta'):
        model = VideoSwinTransformer(**SIZES[size]).eval()
    released = {
        PREFIX + name: fill(PREFIX + name, tuple(tensor.shape))
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(convert_video_swin(released).weights, assign=True)
    return model


def swin_t() -> SwinTransformer:
    """MMDetection's 2-D Swin-T with the reference weights."""
    model = SwinTransformer()
    model.eval()
    names = {}
    for name, tensor in model.state_dict().items():
        name = name.replace('stages.', 'layers.').replace('.w_msa.', '.')
        name = name.replace('ffn.layers.0.0.', 'mlp.fc1.').replace('ffn.layers.1.', 'mlp.fc2.')
        names[PREFIX + name.replace('projection', 'proj')] = tensor
    released = {
        name: tensor if name.endswith('_index') else fill(name, tuple(tensor.shape))
        for name, tensor in names.items()
    }
    model.load_state_dict(convert_swin(released).weights)
    return model


@cache
def maps_of(name: str) -> tuple[Tensor, ...]:
    """Maps of the backbone ``name`` on the reference clip."""
    with torch.no_grad():
        if name == 'swin_t':
            return tuple(swin_t()(clip(2)))
        return video_swin(name[-1])(clip(3)[None])


BACKBONES = ['video_swin_t', 'video_swin_b', 'swin_t']


@pytest.mark.parametrize('name', BACKBONES)
def test_cells_equal_released_model(name: str) -> None:
    extract = np.load(CELLS)
    for level, maps in enumerate(maps_of(name)):
        frames, rows, columns = extract[f'{name}/{level}/cells'].T
        found = maps.permute(0, 2, 3, 1).numpy()[frames, rows, columns]
        np.testing.assert_allclose(found, extract[f'{name}/{level}/values'], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize('name', BACKBONES)
def test_maps_equal_released_model(name: str, test_data: Path) -> None:
    frames = 2 if name == 'swin_t' else 3
    fixture = torch.load(test_data / 'golden' / f'bb_{name}_T{frames}.pt', weights_only=True)
    torch.testing.assert_close(clip(frames), fixture['clip'], rtol=0, atol=0)
    for found, expected in zip(maps_of(name), fixture['maps'], strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)
