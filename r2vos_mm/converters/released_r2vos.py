"""Checkpoints of the public R2-VOS code under the names of this package, and back.

ReferFormer's checkpoints have the same names outside its pixel decoder.
"""

from __future__ import annotations

from torch import Tensor

from .name_tables import NameTable
from .released_format import ReleasedConversion, ReleasedFormat
from .released_names import SHARED, attention, feed_forward, normed_conv, norms

_CROSS_THERE, _CROSS_HERE = 'pixel_decoder.cross_attn', 'neck.grounding.attention'
_FILTER = 'neck.grounding.dynamic_filter'
_GROUNDING = [
    *normed_conv('adapter_4', 'grounding.lateral'),
    *normed_conv('layer_4', 'grounding.output'),
    *normed_conv('dyn_conv', 'grounding.dynamic_filter.input_conv'),
    ('pixel_decoder.dyn_filter.{leaf}', f'{_FILTER}.filter_proj.{{leaf}}'),
    ('pixel_decoder.pool_conv.weight', f'{_FILTER}.pool_conv.weight'),
    ('pixel_decoder.pool_conv.norm.{leaf}', f'{_FILTER}.pool_norm.{{leaf}}'),
    *attention(f'{_CROSS_THERE}.v2v_attn', f'{_CROSS_HERE}.vision_attention'),
    *attention(f'{_CROSS_THERE}.l2v_attn', f'{_CROSS_HERE}.text_to_vision'),
    *attention(f'{_CROSS_THERE}.v2l_attn', f'{_CROSS_HERE}.vision_to_text'),
    (f'{_CROSS_THERE}.proj_l_q.{{leaf}}', f'{_CROSS_HERE}.text_query.{{leaf}}'),
    (
        f'{_CROSS_THERE}.proj_v_kv.{{leaf}}',
        (f'{_CROSS_HERE}.vision_key.{{leaf}}', f'{_CROSS_HERE}.vision_value.{{leaf}}'),
    ),
    *(
        (f'{_CROSS_THERE}.{there}.{{leaf}}', f'{_CROSS_HERE}.{here}.{{leaf}}')
        for there, here in (
            ('norm1', 'vision_norm'),
            ('norm2', 'vision_tail.update_norm'),
            ('linear1', 'vision_tail.ffn.0'),
            ('linear2', 'vision_tail.ffn.3'),
            ('norm3', 'vision_tail.ffn_norm'),
            ('norm_v2l_1', 'text_tail.update_norm'),
            ('linear_v2l_1', 'text_tail.ffn.0'),
            ('linear_v2l_2', 'text_tail.ffn.3'),
            ('norm_v2l_2', 'text_tail.ffn_norm'),
        )
    ),
]
_RECONSTRUCTION = 'pixel_decoder.text_decoder'
_CYCLE = [
    ('pixel_decoder.text_query.weight', 'cycle_head.text_query.weight'),
    (f'{_RECONSTRUCTION}.norm.{{leaf}}', 'cycle_head.text_decoder.post_norm.{leaf}'),
    (
        f'{_RECONSTRUCTION}.layers.{{i}}.self_attn.{{rest}}',
        'cycle_head.text_decoder.layers.{i}.self_attn.attn.{rest}',
    ),
    (
        f'{_RECONSTRUCTION}.layers.{{i}}.multihead_attn.{{rest}}',
        'cycle_head.text_decoder.layers.{i}.cross_attn.attn.{rest}',
    ),
    *feed_forward(f'{_RECONSTRUCTION}.layers.{{i}}', 'cycle_head.text_decoder.layers.{i}'),
    *norms(f'{_RECONSTRUCTION}.layers.{{i}}', 'cycle_head.text_decoder.layers.{i}', (1, 2, 3)),
    ('neg_classifier.layers.{i}.{leaf}', 'cycle_head.discriminator.layers.{i}.{leaf}'),
]
_QUERY_MIXER = [
    ('transformer.query_mixer.fc.{leaf}', 'mask_head.query_mixer.proj.{leaf}'),
    ('transformer.query_mixer.layer_norm.{leaf}', 'mask_head.query_mixer.norm.{leaf}'),
]

RELEASED_TABLE = NameTable([*SHARED, *_QUERY_MIXER, *_GROUNDING, *_CYCLE])
RELEASED_R2VOS = ReleasedFormat(
    'R2-VOS',
    RELEASED_TABLE,
    'Give a checkpoint of the released R2-VOS model, unchanged; weights of a relative '
    '(ReferFormer) can be taken as initialisation.',
)


def from_released(
    state: dict[str, Tensor], *, source: str = 'the state dict', partial: bool = False
) -> ReleasedConversion:
    """Bring released R2-VOS weights to our names; see :meth:`ReleasedFormat.to_here`."""
    return RELEASED_R2VOS.to_here(state, source=source, partial=partial)


def to_released(state: dict[str, Tensor], *, source: str = 'the state dict') -> ReleasedConversion:
    """The inverse of :func:`from_released`; see :meth:`ReleasedFormat.to_there`.

    Args:
        state: tensors of a model of the released preset.
        source: what to call their origin in messages.
    """
    return RELEASED_R2VOS.to_there(state, source=source)
