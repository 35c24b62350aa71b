"""Swin weights of this package under their released names: inverses of the conversions."""
from __future__ import annotations

from torch import Tensor

# Parts of names here and there, in MMDetection's 2-D Swin.
_SWIN = (('stages.', 'layers.'), ('.w_msa.', '.'), ('.ffn.layers.0.0.', '.mlp.fc1.'),
         ('.ffn.layers.1.', '.mlp.fc2.'), ('patch_embed.projection.', 'patch_embed.proj.'))
# The four neighbours of patch merging: column-major there, row-major here, channels first.
_NEIGHBOURS = [0, 2, 1, 3]


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
    """(..., C * 4) with channels outermost -> (..., 4 * C) with neighbours outermost."""
    stacked = tensor.unflatten(-1, (-1, 4)).transpose(-1, -2)
    return stacked[..., _NEIGHBOURS, :].flatten(-2)


def restore_video_swin(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names of the Video Swin in released checkpoints: those of this package.

    The released model also stores the relative positions within a window, which it computes itself
    when it is built; they are not written.
    """
    return dict(state)
