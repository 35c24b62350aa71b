"""Checkpoints of the public MTTR code under the names of this package, and back.

Their language model has no pooler. The window size changes no shape: the checkpoints of all windows
have one set of names.
"""

from __future__ import annotations

from torch import Tensor

from .name_tables import NameTable
from .released_format import ReleasedConversion, ReleasedFormat
from .released_names import feed_forward, norms

_ENCODER_THERE, _ENCODER_HERE = 'transformer.encoder.layers.{i}', 'neck.encoder.layers.{i}'
_DECODER_THERE, _DECODER_HERE = 'transformer.decoder.layers.{i}', 'mask_head.decoder.layers.{i}'
_SPATIAL = 'neck.spatial_decoder'

_TEXT = [
    ('transformer.text_encoder.{rest}', 'text_encoder.language_model.{rest}'),
    ('transformer.txt_proj.fc.{leaf}', 'text_encoder.projector.0.{leaf}'),
    ('transformer.txt_proj.layer_norm.{leaf}', 'text_encoder.projector.1.{leaf}'),
]
_ENCODER = [
    ('vid_embed_proj.{leaf}', 'neck.video_proj.{leaf}'),
    (f'{_ENCODER_THERE}.self_attn.{{rest}}', f'{_ENCODER_HERE}.self_attn.attn.{{rest}}'),
    *feed_forward(_ENCODER_THERE, _ENCODER_HERE),
    *norms(_ENCODER_THERE, _ENCODER_HERE, (1, 2)),
]
_DECODER = [
    ('transformer.decoder.norm.{leaf}', 'mask_head.decoder.post_norm.{leaf}'),
    (f'{_DECODER_THERE}.self_attn.{{rest}}', f'{_DECODER_HERE}.self_attn.attn.{{rest}}'),
    (f'{_DECODER_THERE}.multihead_attn.{{rest}}', f'{_DECODER_HERE}.cross_attn.attn.{{rest}}'),
    *feed_forward(_DECODER_THERE, _DECODER_HERE),
    *norms(_DECODER_THERE, _DECODER_HERE, (1, 2, 3)),
]
_HEADS = [
    ('obj_queries.weight', 'mask_head.query_position.weight'),
    ('is_referred_head.{leaf}', 'mask_head.referred_branch.{leaf}'),
    ('instance_kernels_head.layers.{i}.{leaf}', 'mask_head.kernel_branch.layers.{i}.{leaf}'),
]
# Numbers start at 1 there.
_SPATIAL_DECODER = [
    *(
        (f'spatial_decoder.lay{k + 1}.{{leaf}}', f'{_SPATIAL}.layers.{k}.conv.{{leaf}}')
        for k in range(4)
    ),
    *(
        (f'spatial_decoder.gn{k + 1}.{{leaf}}', f'{_SPATIAL}.layers.{k}.gn.{{leaf}}')
        for k in range(4)
    ),
    *(
        (f'spatial_decoder.adapter{k + 1}.{{leaf}}', f'{_SPATIAL}.adapters.{k}.{{leaf}}')
        for k in range(2)
    ),
    ('spatial_decoder.out_lay.{leaf}', f'{_SPATIAL}.mask_features.{{leaf}}'),
]

MTTR_TABLE = NameTable([*_TEXT, *_ENCODER, *_DECODER, *_HEADS, *_SPATIAL_DECODER])
RELEASED_MTTR = ReleasedFormat(
    'MTTR',
    MTTR_TABLE,
    'Give a checkpoint of the released MTTR model, unchanged.',
    backbone='backbone.',
    container='model_state_dict',
)


def from_mttr(state: dict[str, Tensor], *, source: str = 'the state dict') -> ReleasedConversion:
    """Bring released MTTR weights to our names; see :meth:`ReleasedFormat.to_here`."""
    return RELEASED_MTTR.to_here(state, source=source)


def to_mttr(state: dict[str, Tensor], *, source: str = 'the state dict') -> ReleasedConversion:
    """The inverse of :func:`from_mttr`; see :meth:`ReleasedFormat.to_there`.

    Args:
        state: tensors of a model of ``configs/mttr``.
        source: what to call their origin in messages.
    """
    return RELEASED_MTTR.to_there(state, source=source)
