"""Swin weights of this package under their released names: inverses of the conversions."""
from __future__ import annotations

from einops import rearrange
from torch import Tensor

# Parts of names here and there, in MMDetection's 2-D Swin.
_SWIN = (('stages.', 'layers.'), ('.w_msa.', '.'), ('.ffn.layers.0.0.', '.mlp.fc1.'),
         ('.ffn.layers.1.', '.mlp.fc2.'), ('patch_embed.projection.', 'patch_embed.proj.'))


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

    The released model also stores the relative positions within a window, which it computes itself
    when it is built; they are not written.
    """
    return dict(state)
