"""Names in the released checkpoints of R2-VOS and ReferFormer, the part that both have.

Each list holds rules of a :class:`NameTable`: a template there, one or several here.
"""

from __future__ import annotations


def attention(there: str, here: str) -> list[tuple[str, str | tuple[str, ...]]]:
    """Rules of an attention whose three projections are fused there and separate here."""
    return [
        (
            f'{there}.in_proj_{{leaf}}',
            tuple(f'{here}.{part}_proj.{{leaf}}' for part in ('query', 'key', 'value')),
        ),
        (f'{there}.out_proj.{{leaf}}', f'{here}.out_proj.{{leaf}}'),
    ]


def feed_forward(there: str, here: str) -> list[tuple[str, str]]:
    """Rules of the two linear maps of a feed-forward network."""
    return [
        (f'{there}.linear1.{{leaf}}', f'{here}.ffn.layers.0.0.{{leaf}}'),
        (f'{there}.linear2.{{leaf}}', f'{here}.ffn.layers.1.{{leaf}}'),
    ]


def norms(there: str, here: str, order: tuple[int, ...]) -> list[tuple[str, str]]:
    """Norm ``order[k]`` there is norm k here."""
    return [
        (f'{there}.norm{number}.{{leaf}}', f'{here}.norms.{index}.{{leaf}}')
        for index, number in enumerate(order)
    ]


def normed_conv(there: str, here: str) -> list[tuple[str, str]]:
    """Rules of a convolution without bias and the group norm behind it."""
    return [
        (f'pixel_decoder.{there}.weight', f'neck.{here}.conv.weight'),
        (f'pixel_decoder.{there}.norm.{{leaf}}', f'neck.{here}.gn.{{leaf}}'),
    ]


TEXT = [
    ('text_encoder.{rest}', 'text_encoder.language_model.{rest}'),
    ('resizer.fc.{leaf}', 'text_encoder.projector.0.{leaf}'),
    ('resizer.layer_norm.{leaf}', 'text_encoder.projector.1.{leaf}'),
]
INPUT = [
    ('input_proj.3.0.{leaf}', 'neck.input_proj.extra_convs.0.conv.{leaf}'),
    ('input_proj.3.1.{leaf}', 'neck.input_proj.extra_convs.0.gn.{leaf}'),
    ('input_proj.{i}.0.{leaf}', 'neck.input_proj.convs.{i}.conv.{leaf}'),
    ('input_proj.{i}.1.{leaf}', 'neck.input_proj.convs.{i}.gn.{leaf}'),
    *attention('fusion_module.multihead_attn', 'neck.fusion.attention'),
]
ENCODER = [
    ('transformer.level_embed', 'neck.level_embed'),
    ('transformer.encoder.layers.{i}.self_attn.{rest}', 'neck.encoder.layers.{i}.self_attn.{rest}'),
    *feed_forward('transformer.encoder.layers.{i}', 'neck.encoder.layers.{i}'),
    *norms('transformer.encoder.layers.{i}', 'neck.encoder.layers.{i}', (1, 2)),
]
# The norm behind the self-attention, which comes first, is number 2 there.
DECODER = [
    (
        'transformer.decoder.layers.{i}.self_attn.{rest}',
        'mask_head.decoder.layers.{i}.self_attn.attn.{rest}',
    ),
    (
        'transformer.decoder.layers.{i}.cross_attn.{rest}',
        'mask_head.decoder.layers.{i}.cross_attn.{rest}',
    ),
    *feed_forward('transformer.decoder.layers.{i}', 'mask_head.decoder.layers.{i}'),
    *norms('transformer.decoder.layers.{i}', 'mask_head.decoder.layers.{i}', (2, 1, 3)),
]
HEADS = [
    ('transformer.reference_points.{leaf}', 'mask_head.reference_points.{leaf}'),
    ('query_embed.weight', 'mask_head.query_position.weight'),
    ('class_embed.{i}.{leaf}', 'mask_head.score_branches.{i}.{leaf}'),
    ('bbox_embed.{i}.layers.{j}.{leaf}', 'mask_head.box_branches.{i}.layers.{j}.{leaf}'),
    ('controller.layers.{i}.{leaf}', 'mask_head.mask_predictor.controller.layers.{i}.{leaf}'),
]
FPN = [
    *normed_conv('adapter_1', 'finest_adapter'),
    *normed_conv('adapter_2', 'pyramid.adapters.1'),
    *normed_conv('adapter_3', 'pyramid.adapters.0'),
    *normed_conv('layer_1', 'pyramid.layers.2'),
    *normed_conv('layer_2', 'pyramid.layers.1'),
    *normed_conv('layer_3', 'pyramid.layers.0'),
    ('pixel_decoder.mask_features.{leaf}', 'neck.pyramid.mask_features.{leaf}'),
]

SHARED = [*TEXT, *INPUT, *ENCODER, *DECODER, *HEADS, *FPN]
