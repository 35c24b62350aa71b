"""Rename Swin weights of this package for released checkpoints.

The other direction is :mod:`r2vos_mm.models.backbones.checkpoints`. Video Swin has the same names
in both.
"""

import math

import torch
from einops import rearrange
from torch import Tensor

from r2vos_mm.models.backbones.windows import relative_position_index

_BIASES, _POSITIONS = '.relative_position_bias_table', '.relative_position_index'
# Windows of the published backbones by the rows of their tables, (2t-1)(2h-1)(2w-1).
_WINDOWS = {13 * 13: (1, 7, 7), 15 * 13 * 13: (8, 7, 7)}
# Parts of names in MMDetection's 2-D Swin and in the released one.
_SWIN = (
    ('stages.', 'layers.'),
    ('.w_msa.', '.'),
    ('.ffn.layers.0.0.', '.mlp.fc1.'),
    ('.ffn.layers.1.', '.mlp.fc2.'),
    ('patch_embed.projection.', 'patch_embed.proj.'),
)


def restore_swin(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of ``mmdet.SwinTransformer`` as released checkpoints hold them.

    Names change, and so does the input of patch merging: channel, row, column in MMDetection;
    column, row, channel in the released model.
    """
    restored = {}
    for name, tensor in state.items():
        if '.downsample.' in name:
            tensor = rearrange(tensor, '... (c row column) -> ... (column row c)', row=2, column=2)
        for ours, released in _SWIN:
            name = name.replace(ours, released)
        restored[name] = tensor
    return restored


def window_positions(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the buffers of relative positions that a released Swin or Video Swin stores.

    They are not learned: they follow from the window, which the number of rows of a table of biases
    gives (7x7, and 8x7x7 in Video Swin). Code that loads strictly needs them.

    Args:
        state: Weights by released name.

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
