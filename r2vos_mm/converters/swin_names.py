"""Swin weights of this package under their released names: inverses of the conversions."""

from __future__ import annotations

import math

import torch
from einops import rearrange
from torch import Tensor

from r2vos_mm.models.backbones.windows import relative_position_index

_BIASES, _POSITIONS = '.relative_position_bias_table', '.relative_position_index'
# Windows of the published backbones by the rows of their tables, (2t-1)(2h-1)(2w-1).
_WINDOWS = {13 * 13: (1, 7, 7), 15 * 13 * 13: (8, 7, 7)}
# Parts of names here and there, in MMDetection's 2-D Swin.
_SWIN = (
    ('stages.', 'layers.'),
    ('.w_msa.', '.'),
    ('.ffn.layers.0.0.', '.mlp.fc1.'),
    ('.ffn.layers.1.', '.mlp.fc2.'),
    ('patch_embed.projection.', 'patch_embed.proj.'),
)


def restore_swin(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names and channel order of the 2-D Swin in released checkpoints.

    Args:
        state: weights of ``mmdet.SwinTransformer``, as ``convert_swin`` gives them.
    """
    restored = {}
    for name, tensor in state.items():
        if '.downsample.' in name:
            tensor = _neighbours_first(tensor)
        for here, there in _SWIN:
            name = name.replace(here, there)
        restored[name] = tensor
    return restored


def _neighbours_first(tensor: Tensor) -> Tensor:
    """Order of patch merging's input: channel, row, column here; column, row, channel there."""
    return rearrange(tensor, '... (c row column) -> ... (column row c)', row=2, column=2)


def restore_video_swin(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names of the Video Swin in released checkpoints: those of this package.

    See :func:`window_positions` for the buffers that are stored there, too.
    """
    return dict(state)


def window_positions(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The buffers of relative positions that a released Swin or Video Swin stores.

    Nothing in them was learnt: they follow from the window, which the number of rows of a table of
    biases tells (7x7, and 8x7x7 in Video Swin). Code that loads strictly asks for them.

    Args:
        state: weights by released name.

    Returns:
        int64 (M, M) for each table in ``state``, M the tokens of a window.
    """
    buffers = {}
    for name, table in state.items():
        window = _WINDOWS.get(len(table)) if name.endswith(_BIASES) else None
        if window is not None:
            buffers[name.removesuffix(_BIASES) + _POSITIONS] = relative_position_index(
                window, math.prod(window), torch.device('cpu')
            )
    return buffers
