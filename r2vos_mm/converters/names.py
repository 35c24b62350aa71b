"""Translate the names of weights between released checkpoints and this package.

A table is a list of rules, each a template of a released name and one or several of ours. Templates
hold fields: ``{i}`` and ``{j}`` are numbers, ``{leaf}`` is weight or bias, ``{rest}`` is anything.
With several of our names the released tensor is a stack of equal parts along its first axis, as the
fused projections of an attention are.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Rules = list[tuple[str, str | tuple[str, ...]]]

_FIELDS = dict(i=r'\d+', j=r'\d+', leaf='weight|bias', rest='.+')


@dataclass
class Renamed:
    """Tensors by new name, old names without a rule, and problems of stacked tensors."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class NameTable:
    """Rename tensors in both directions; the first rule that matches applies.

    Args:
        rules: Pairs of a released template and one or several of our templates.
    """

    def __init__(self, rules: Rules) -> None:
        rows = [(released, (o,) if isinstance(o, str) else o) for released, o in rules]
        self._to_ours = [(_pattern(released), ours) for released, ours in rows]
        self._to_released = [
            (_pattern(part), (released, place, len(ours)))
            for released, ours in rows
            for place, part in enumerate(ours)
        ]

    def to_ours(self, tensors: dict[str, Tensor]) -> Renamed:
        """Rename released tensors, splitting stacked ones."""
        renamed = Renamed()
        for name, tensor, templates, fields in _matches(tensors, self._to_ours, renamed):
            count, shape = len(templates), tuple(tensor.shape)
            if not shape or shape[0] % count:
                what = f'{name} has shape {shape}, which is not a stack of {count} parts'
                renamed.broken.append(what)
                continue
            parts = tensor.chunk(count) if count > 1 else (tensor,)
            names = (template.format(**fields) for template in templates)
            renamed.tensors.update(zip(names, parts, strict=True))
        return renamed

    def to_released(self, tensors: dict[str, Tensor]) -> Renamed:
        """Rename tensors of this package, stacking those that are stacked in the released model."""
        renamed = Renamed()
        stacks: dict[tuple[str, int], dict[int, Tensor]] = defaultdict(dict)
        for _, tensor, (template, place, size), fields in _matches(
            tensors, self._to_released, renamed
        ):
            stacks[template.format(**fields), size][place] = tensor
        for (name, size), parts in stacks.items():
            if len(parts) < size:
                renamed.broken.append(f'{name} needs {size} parts, {len(parts)} were given')
            else:
                stack = [parts[place] for place in range(size)]
                renamed.tensors[name] = torch.cat(stack) if size > 1 else stack[0]
        return renamed


def _pattern(template: str) -> re.Pattern:
    fields = r'\\\{(\w+)\\\}'  # braces as re.escape writes them
    return re.compile(
        re.sub(fields, lambda match: f'(?P<{match[1]}>{_FIELDS[match[1]]})', re.escape(template))
    )


def _matches(
    tensors: dict[str, Tensor], rows: list[tuple[re.Pattern, Any]], renamed: Renamed
) -> Iterable[tuple[str, Tensor, Any, dict[str, str]]]:
    """Yield name, tensor, target and fields of the first row that matches; collect the others."""
    for name, tensor in tensors.items():
        for pattern, target in rows:
            if match := pattern.fullmatch(name):
                yield name, tensor, target, match.groupdict()
                break
        else:
            renamed.unknown.append(name)


def _modules(pairs: Iterable[tuple[str, str]], released: str = '', ours: str = '') -> Rules:
    """Return rules of modules with weight and bias, below a prefix on either side."""
    return [(f'{released}{a}.{{leaf}}', f'{ours}{b}.{{leaf}}') for a, b in pairs]


def _attention(released: str, ours: str) -> Rules:
    """Return rules of an attention whose projections only the released model fuses."""
    parts = tuple(f'{ours}.{part}_proj.{{leaf}}' for part in ('query', 'key', 'value'))
    return [
        (f'{released}.in_proj_{{leaf}}', parts),
        (f'{released}.out_proj.{{leaf}}', f'{ours}.out_proj.{{leaf}}'),
    ]


def _layers(released: str, ours: str, attentions: dict[str, str], norms: tuple[int, ...]) -> Rules:
    """Return rules of transformer layers; ``norms[k]`` is the released number of our norm k."""
    released, ours = f'{released}.layers.{{i}}.', f'{ours}.layers.{{i}}.'
    return [
        *((f'{released}{a}.{{rest}}', f'{ours}{b}.{{rest}}') for a, b in attentions.items()),
        *_modules([('linear1', 'ffn.layers.0.0'), ('linear2', 'ffn.layers.1')], released, ours),
        *_modules([(f'norm{n}', f'norms.{k}') for k, n in enumerate(norms)], released, ours),
    ]


def _normed_convs(pairs: Iterable[tuple[str, str]]) -> Rules:
    """Return rules of convolutions without bias and their group norms."""
    return [
        rule
        for released, ours in pairs
        for rule in (
            (f'pixel_decoder.{released}.weight', f'neck.{ours}.conv.weight'),
            (f'pixel_decoder.{released}.norm.{{leaf}}', f'neck.{ours}.gn.{{leaf}}'),
        )
    ]


_SELF = {'self_attn': 'self_attn.attn'}
_SELF_AND_CROSS = _SELF | {'multihead_attn': 'cross_attn.attn'}
_OUR_TAIL = ('update_norm', 'ffn.0', 'ffn.3', 'ffn_norm')
_TAIL = list(zip(('norm2', 'linear1', 'linear2', 'norm3'), _OUR_TAIL))
_TEXT_TAIL = list(zip(('norm_v2l_1', 'linear_v2l_1', 'linear_v2l_2', 'norm_v2l_2'), _OUR_TAIL))

# R2-VOS and ReferFormer share all names outside their vision-language blocks.
_SHARED = [
    ('text_encoder.{rest}', 'text_encoder.language_model.{rest}'),
    ('transformer.level_embed', 'neck.level_embed'),
    ('query_embed.weight', 'mask_head.query_position.weight'),
    *_attention('fusion_module.multihead_attn', 'neck.fusion.attention'),
    *_modules(
        [
            ('resizer.fc', 'text_encoder.projector.0'),
            ('resizer.layer_norm', 'text_encoder.projector.1'),
            ('input_proj.3.0', 'neck.input_proj.extra_convs.0.conv'),
            ('input_proj.3.1', 'neck.input_proj.extra_convs.0.gn'),
            ('input_proj.{i}.0', 'neck.input_proj.convs.{i}.conv'),
            ('input_proj.{i}.1', 'neck.input_proj.convs.{i}.gn'),
            ('transformer.reference_points', 'mask_head.reference_points'),
            ('class_embed.{i}', 'mask_head.score_branches.{i}'),
            ('bbox_embed.{i}.layers.{j}', 'mask_head.box_branches.{i}.layers.{j}'),
            ('controller.layers.{i}', 'mask_head.mask_predictor.controller.layers.{i}'),
            ('pixel_decoder.mask_features', 'neck.pyramid.mask_features'),
        ]
    ),
    *_layers('transformer.encoder', 'neck.encoder', {'self_attn': 'self_attn'}, (1, 2)),
    # Our first norm follows the self-attention; it is number 2 in the released model.
    *_layers(
        'transformer.decoder', 'mask_head.decoder', _SELF | {'cross_attn': 'cross_attn'}, (2, 1, 3)
    ),
    *_normed_convs(
        [
            ('adapter_1', 'finest_adapter'),
            *((f'adapter_{3 - k}', f'pyramid.adapters.{k}') for k in range(2)),
            ('adapter_4', 'grounding.lateral'),
            *((f'layer_{3 - k}', f'pyramid.layers.{k}') for k in range(3)),
            ('layer_4', 'grounding.output'),
        ]
    ),
]

_CROSS, _GROUNDING = 'pixel_decoder.cross_attn.', 'neck.grounding.attention.'
_FILTER = 'neck.grounding.dynamic_filter'
_KEY_VALUE = tuple(f'{_GROUNDING}vision_{part}.{{leaf}}' for part in ('key', 'value'))
R2VOS_TABLE = NameTable(
    [
        *_SHARED,
        ('transformer.query_mixer.fc.{leaf}', 'mask_head.query_mixer.proj.{leaf}'),
        ('transformer.query_mixer.layer_norm.{leaf}', 'mask_head.query_mixer.norm.{leaf}'),
        *_normed_convs([('dyn_conv', 'grounding.dynamic_filter.input_conv')]),
        ('pixel_decoder.dyn_filter.{leaf}', f'{_FILTER}.filter_proj.{{leaf}}'),
        ('pixel_decoder.pool_conv.weight', f'{_FILTER}.pool_conv.weight'),
        ('pixel_decoder.pool_conv.norm.{leaf}', f'{_FILTER}.pool_norm.{{leaf}}'),
        *_attention(f'{_CROSS}v2v_attn', f'{_GROUNDING}vision_attention'),
        *_attention(f'{_CROSS}l2v_attn', f'{_GROUNDING}text_to_vision'),
        *_attention(f'{_CROSS}v2l_attn', f'{_GROUNDING}vision_to_text'),
        (f'{_CROSS}proj_v_kv.{{leaf}}', _KEY_VALUE),
        *_modules([('proj_l_q', 'text_query'), ('norm1', 'vision_norm')], _CROSS, _GROUNDING),
        *_modules(_TAIL, _CROSS, f'{_GROUNDING}vision_tail.'),
        *_modules(_TEXT_TAIL, _CROSS, f'{_GROUNDING}text_tail.'),
        ('pixel_decoder.text_query.weight', 'cycle_head.text_query.weight'),
        ('pixel_decoder.text_decoder.norm.{leaf}', 'cycle_head.text_decoder.post_norm.{leaf}'),
        *_layers(
            'pixel_decoder.text_decoder', 'cycle_head.text_decoder', _SELF_AND_CROSS, (1, 2, 3)
        ),
        ('neg_classifier.layers.{i}.{leaf}', 'cycle_head.discriminator.layers.{i}.{leaf}'),
    ]
)


def _referformer_block(number: int, ours: str) -> Rules:
    """Return rules of a level's vision-language block; number 1 is stride 4, number 4 stride 32."""
    released = f'pixel_decoder.cross_attn_{number}.'
    return [
        *_attention(f'{released}self_attn', f'{ours}.vision_attention'),
        *_attention(f'{released}multihead_attn', f'{ours}.text_attention'),
        *_modules([('norm1', 'vision_norm')], released, f'{ours}.'),
        *_modules(_TAIL, released, f'{ours}.tail.'),
    ]


REFERFORMER_TABLE = NameTable(
    [
        *_SHARED,
        *_referformer_block(4, 'neck.grounding.block'),
        *(rule for k in range(3) for rule in _referformer_block(3 - k, f'neck.pyramid.blocks.{k}')),
    ]
)

# The window size changes no shape: MTTR's checkpoints of all windows have the same names.
MTTR_TABLE = NameTable(
    [
        ('transformer.text_encoder.{rest}', 'text_encoder.language_model.{rest}'),
        ('obj_queries.weight', 'mask_head.query_position.weight'),
        *_modules(
            [
                ('transformer.txt_proj.fc', 'text_encoder.projector.0'),
                ('transformer.txt_proj.layer_norm', 'text_encoder.projector.1'),
                ('vid_embed_proj', 'neck.video_proj'),
                ('transformer.decoder.norm', 'mask_head.decoder.post_norm'),
                ('is_referred_head', 'mask_head.referred_branch'),
                ('instance_kernels_head.layers.{i}', 'mask_head.kernel_branch.layers.{i}'),
            ]
        ),
        *_layers('transformer.encoder', 'neck.encoder', _SELF, (1, 2)),
        *_layers('transformer.decoder', 'mask_head.decoder', _SELF_AND_CROSS, (1, 2, 3)),
        *_modules(
            [
                *((f'lay{k + 1}', f'layers.{k}.conv') for k in range(4)),
                *((f'gn{k + 1}', f'layers.{k}.gn') for k in range(4)),
                *((f'adapter{k + 1}', f'adapters.{k}') for k in range(2)),
                ('out_lay', 'mask_features'),
            ],
            'spatial_decoder.',
            'neck.spatial_decoder.',
        ),
    ]
)
