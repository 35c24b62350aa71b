"""Recognize released checkpoints of R2-VOS, ReferFormer and MTTR by the names of their tensors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from .released import MTTR, R2VOS, REFERFORMER, ReleasedFormat

# One tensor that only this method has.
_SIGNS = {
    'pixel_decoder.cross_attn.proj_v_kv.weight': R2VOS,
    'pixel_decoder.cross_attn_4.norm1.weight': REFERFORMER,
    'instance_kernels_head.layers.0.weight': MTTR,
}
# Backbones by the channels of the patches and the number of blocks of the third stage.
_SWINS = {(96, 6): 't', (96, 18): 's', (128, 18): 'b', (192, 18): 'l'}
_RESNETS = {6: 'r50', 23: 'r101'}
_PREFIX = {4: 'swin', 5: 'video-swin'}


@dataclass(frozen=True)
class ReleasedCheckpoint:
    """A released checkpoint and the model that it belongs to.

    Attributes:
        released: layout of the method's checkpoints.
        backbone: as in the names of configs, such as ``r50`` and ``video-swin-b``; empty for one
            that was not published.
        state: tensors by released name.
    """

    released: ReleasedFormat
    backbone: str
    state: Mapping[str, Tensor]

    @property
    def alias(self) -> str:
        """Name of the config in the metafiles, such as ``r2vos_r50_released``."""
        method = self.released.method.lower().replace('-', '')
        return f'{method}_{self.backbone}_released'

    def __str__(self) -> str:
        return f'{self.released.method} with backbone {self.backbone or "of unknown size"}'


def recognize(state: Mapping[str, Tensor]) -> ReleasedCheckpoint | None:
    """Return the released checkpoint that a state dict is; None if it is none."""
    state = {name.removeprefix('module.'): tensor for name, tensor in state.items()}
    released = next((released for sign, released in _SIGNS.items() if sign in state), None)
    if released is None:
        return None
    return ReleasedCheckpoint(released, _backbone_of(state, released.backbone), state)


def _backbone_of(state: Mapping[str, Tensor], prefix: str) -> str:
    kernel = state.get(f'{prefix}patch_embed.proj.weight')
    if kernel is None:
        is_bottleneck = f'{prefix}layer1.0.conv3.weight' in state
        return _RESNETS.get(_count(state, rf'{prefix}layer3\.(\d+)\.'), '') if is_bottleneck else ''
    size = _SWINS.get((len(kernel), _count(state, rf'{prefix}layers\.2\.blocks\.(\d+)\.')))
    kind = _PREFIX.get(kernel.ndim)
    return f'{kind}-{size}' if size and kind else ''


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    """Return how many different numbers occur in the names that begin with a pattern."""
    return len({found[1] for name in state if (found := re.match(pattern, name))})
