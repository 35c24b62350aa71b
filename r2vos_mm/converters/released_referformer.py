"""Checkpoints of the public ReferFormer code under the names of this package, and back.

Outside the pixel decoder their names are those of R2-VOS. In it, number 1 is stride 4 and number 4
stride 32; here the coarsest level comes first.
"""

from __future__ import annotations

from torch import Tensor

from .name_tables import NameTable
from .released_format import ReleasedConversion, ReleasedFormat
from .released_names import SHARED, attention, normed_conv


def _block(number: int, here: str) -> list[tuple[str, str | tuple[str, ...]]]:
    """Rules of the vision-language block of one level."""
    there = f'pixel_decoder.cross_attn_{number}'
    return [
        *attention(f'{there}.self_attn', f'{here}.vision_attention'),
        *attention(f'{there}.multihead_attn', f'{here}.text_attention'),
        *(
            (f'{there}.{theirs}.{{leaf}}', f'{here}.{ours}.{{leaf}}')
            for theirs, ours in (
                ('norm1', 'vision_norm'),
                ('norm2', 'tail.update_norm'),
                ('linear1', 'tail.ffn.0'),
                ('linear2', 'tail.ffn.3'),
                ('norm3', 'tail.ffn_norm'),
            )
        ),
    ]


_GROUNDING = [
    *normed_conv('adapter_4', 'grounding.lateral'),
    *normed_conv('layer_4', 'grounding.output'),
    *_block(4, 'neck.grounding.block'),
]
_BLOCKS = [
    rule
    for number, index in ((3, 0), (2, 1), (1, 2))
    for rule in _block(number, f'neck.pyramid.blocks.{index}')
]

REFERFORMER_TABLE = NameTable([*SHARED, *_GROUNDING, *_BLOCKS])
RELEASED_REFERFORMER = ReleasedFormat(
    'ReferFormer',
    REFERFORMER_TABLE,
    'Give a checkpoint of the released ReferFormer model, unchanged.',
)


def from_referformer(
    state: dict[str, Tensor], *, source: str = 'the state dict'
) -> ReleasedConversion:
    """Bring released ReferFormer weights to our names; see :meth:`ReleasedFormat.to_here`."""
    return RELEASED_REFERFORMER.to_here(state, source=source)


def to_referformer(
    state: dict[str, Tensor], *, source: str = 'the state dict'
) -> ReleasedConversion:
    """The inverse of :func:`from_referformer`; see :meth:`ReleasedFormat.to_there`.

    Args:
        state: tensors of a model of ``configs/referformer``.
        source: what to call their origin in messages.
    """
    return RELEASED_REFERFORMER.to_there(state, source=source)
