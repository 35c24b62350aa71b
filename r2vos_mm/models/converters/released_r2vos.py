"""Checkpoints of the public R2-VOS code under the names of this package, and back.

The language model, the backbone (ResNet, Swin or Video Swin) and every other part are covered, so
that a file is accounted for to the last tensor. What exists twice there (the box heads, which its
decoder holds too) is checked to be equal and kept once; what the architecture implies (position
numbers of the language model, relative positions and masks of attention windows) is left out.
ReferFormer's checkpoints have the same names outside its pixel decoder.
"""
from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from r2vos_mm.models.backbones.checkpoints import (
    CheckpointError,
    ConvertedWeights,
    convert_swin,
    convert_video_swin,
    read_state_dict,
)

from .name_tables import NameTable
from .swin_names import restore_swin, restore_video_swin

_BACKBONE_THERE = 'backbone.0.body.'
_BACKBONE_HERE = 'backbone.'
_ALIAS = 'transformer.decoder.bbox_embed.'
_ORIGINAL = 'bbox_embed.'
# Buffers that hold nothing learned.
_IMPLIED_THERE = re.compile(
    r'text_encoder\.embeddings\.(position_ids|token_type_ids)'
    r'|backbone\.0\.body\..*num_batches_tracked')
_IMPLIED_BY_WINDOWS = ('.relative_position_index', '.attn_mask')
_IMPLIED_HERE = re.compile(
    r'backbone\..*num_batches_tracked'
    r'|text_encoder\.language_model\.embeddings\.(position_ids|token_type_ids)')


def _attention(there: str, here: str) -> list[tuple[str, str | tuple[str, ...]]]:
    """Rules of an attention whose three projections are fused there and separate here."""
    return [
        (f'{there}.in_proj_{{leaf}}',
         tuple(f'{here}.{part}_proj.{{leaf}}' for part in ('query', 'key', 'value'))),
        (f'{there}.out_proj.{{leaf}}', f'{here}.out_proj.{{leaf}}')]


def _feed_forward(there: str, here: str) -> list[tuple[str, str]]:
    return [(f'{there}.linear1.{{leaf}}', f'{here}.ffn.layers.0.0.{{leaf}}'),
            (f'{there}.linear2.{{leaf}}', f'{here}.ffn.layers.1.{{leaf}}')]


def _norms(there: str, here: str, order: tuple[int, ...]) -> list[tuple[str, str]]:
    """Norm ``order[k]`` there is norm k here."""
    return [(f'{there}.norm{number}.{{leaf}}', f'{here}.norms.{index}.{{leaf}}')
            for index, number in enumerate(order)]


def _normed_conv(there: str, here: str) -> list[tuple[str, str]]:
    """Rules of a convolution without bias and the group norm behind it."""
    return [(f'pixel_decoder.{there}.weight', f'neck.{here}.conv.weight'),
            (f'pixel_decoder.{there}.norm.{{leaf}}', f'neck.{here}.gn.{{leaf}}')]


_TEXT = [
    ('text_encoder.{rest}', 'text_encoder.language_model.{rest}'),
    ('resizer.fc.{leaf}', 'text_encoder.projector.0.{leaf}'),
    ('resizer.layer_norm.{leaf}', 'text_encoder.projector.1.{leaf}')]
_INPUT = [
    ('input_proj.3.0.{leaf}', 'neck.input_proj.extra_convs.0.conv.{leaf}'),
    ('input_proj.3.1.{leaf}', 'neck.input_proj.extra_convs.0.gn.{leaf}'),
    ('input_proj.{i}.0.{leaf}', 'neck.input_proj.convs.{i}.conv.{leaf}'),
    ('input_proj.{i}.1.{leaf}', 'neck.input_proj.convs.{i}.gn.{leaf}'),
    *_attention('fusion_module.multihead_attn', 'neck.fusion.attention')]
_ENCODER = [
    ('transformer.level_embed', 'neck.level_embed'),
    ('transformer.encoder.layers.{i}.self_attn.{rest}', 'neck.encoder.layers.{i}.self_attn.{rest}'),
    *_feed_forward('transformer.encoder.layers.{i}', 'neck.encoder.layers.{i}'),
    *_norms('transformer.encoder.layers.{i}', 'neck.encoder.layers.{i}', (1, 2))]
# The norm behind the self-attention, which comes first, is number 2 there.
_DECODER = [
    ('transformer.decoder.layers.{i}.self_attn.{rest}',
     'mask_head.decoder.layers.{i}.self_attn.attn.{rest}'),
    ('transformer.decoder.layers.{i}.cross_attn.{rest}',
     'mask_head.decoder.layers.{i}.cross_attn.{rest}'),
    *_feed_forward('transformer.decoder.layers.{i}', 'mask_head.decoder.layers.{i}'),
    *_norms('transformer.decoder.layers.{i}', 'mask_head.decoder.layers.{i}', (2, 1, 3))]
_HEADS = [
    ('transformer.reference_points.{leaf}', 'mask_head.reference_points.{leaf}'),
    ('transformer.query_mixer.fc.{leaf}', 'mask_head.query_mixer.proj.{leaf}'),
    ('transformer.query_mixer.layer_norm.{leaf}', 'mask_head.query_mixer.norm.{leaf}'),
    ('query_embed.weight', 'mask_head.query_position.weight'),
    ('class_embed.{i}.{leaf}', 'mask_head.score_branches.{i}.{leaf}'),
    ('bbox_embed.{i}.layers.{j}.{leaf}', 'mask_head.box_branches.{i}.layers.{j}.{leaf}'),
    ('controller.layers.{i}.{leaf}', 'mask_head.mask_predictor.controller.layers.{i}.{leaf}')]
_FPN = [
    *_normed_conv('adapter_1', 'finest_adapter'),
    *_normed_conv('adapter_2', 'pyramid.adapters.1'),
    *_normed_conv('adapter_3', 'pyramid.adapters.0'),
    *_normed_conv('layer_1', 'pyramid.layers.2'),
    *_normed_conv('layer_2', 'pyramid.layers.1'),
    *_normed_conv('layer_3', 'pyramid.layers.0'),
    ('pixel_decoder.mask_features.{leaf}', 'neck.pyramid.mask_features.{leaf}')]
_CROSS_THERE, _CROSS_HERE = 'pixel_decoder.cross_attn', 'neck.grounding.attention'
_FILTER = 'neck.grounding.dynamic_filter'
_GROUNDING = [
    *_normed_conv('adapter_4', 'grounding.lateral'),
    *_normed_conv('layer_4', 'grounding.output'),
    *_normed_conv('dyn_conv', 'grounding.dynamic_filter.input_conv'),
    ('pixel_decoder.dyn_filter.{leaf}', f'{_FILTER}.filter_proj.{{leaf}}'),
    ('pixel_decoder.pool_conv.weight', f'{_FILTER}.pool_conv.weight'),
    ('pixel_decoder.pool_conv.norm.{leaf}', f'{_FILTER}.pool_norm.{{leaf}}'),
    *_attention(f'{_CROSS_THERE}.v2v_attn', f'{_CROSS_HERE}.vision_attention'),
    *_attention(f'{_CROSS_THERE}.l2v_attn', f'{_CROSS_HERE}.text_to_vision'),
    *_attention(f'{_CROSS_THERE}.v2l_attn', f'{_CROSS_HERE}.vision_to_text'),
    (f'{_CROSS_THERE}.proj_l_q.{{leaf}}', f'{_CROSS_HERE}.text_query.{{leaf}}'),
    (f'{_CROSS_THERE}.proj_v_kv.{{leaf}}',
     (f'{_CROSS_HERE}.vision_key.{{leaf}}', f'{_CROSS_HERE}.vision_value.{{leaf}}')),
    *((f'{_CROSS_THERE}.{there}.{{leaf}}', f'{_CROSS_HERE}.{here}.{{leaf}}') for there, here in (
        ('norm1', 'vision_norm'),
        ('norm2', 'vision_tail.update_norm'), ('linear1', 'vision_tail.ffn.0'),
        ('linear2', 'vision_tail.ffn.3'), ('norm3', 'vision_tail.ffn_norm'),
        ('norm_v2l_1', 'text_tail.update_norm'), ('linear_v2l_1', 'text_tail.ffn.0'),
        ('linear_v2l_2', 'text_tail.ffn.3'), ('norm_v2l_2', 'text_tail.ffn_norm')))]
_RECONSTRUCTION = 'pixel_decoder.text_decoder'
_CYCLE = [
    ('pixel_decoder.text_query.weight', 'cycle_head.text_query.weight'),
    (f'{_RECONSTRUCTION}.norm.{{leaf}}', 'cycle_head.text_decoder.post_norm.{leaf}'),
    (f'{_RECONSTRUCTION}.layers.{{i}}.self_attn.{{rest}}',
     'cycle_head.text_decoder.layers.{i}.self_attn.attn.{rest}'),
    (f'{_RECONSTRUCTION}.layers.{{i}}.multihead_attn.{{rest}}',
     'cycle_head.text_decoder.layers.{i}.cross_attn.attn.{rest}'),
    *_feed_forward(f'{_RECONSTRUCTION}.layers.{{i}}', 'cycle_head.text_decoder.layers.{i}'),
    *_norms(f'{_RECONSTRUCTION}.layers.{{i}}', 'cycle_head.text_decoder.layers.{i}', (1, 2, 3)),
    ('neg_classifier.layers.{i}.{leaf}', 'cycle_head.discriminator.layers.{i}.{leaf}')]

RELEASED_TABLE = NameTable([
    *_TEXT, *_INPUT, *_ENCODER, *_DECODER, *_HEADS, *_FPN, *_GROUNDING, *_CYCLE])


@dataclass(frozen=True)
class ReleasedConversion:
    """What a conversion made of a set of weights; together it names every tensor given.

    Attributes:
        weights: tensors under their new names.
        implied: old names left out because the architecture implies their content.
        aliases: old names left out because an equal tensor is kept under another name.
        unknown: old names that have no place on the other side.
    """

    weights: dict[str, Tensor]
    implied: tuple[str, ...]
    aliases: tuple[str, ...]
    unknown: tuple[str, ...]

    def describe(self) -> str:
        """Lines for a log."""
        return '\n'.join((
            f'{len(self.weights)} tensors under their new names',
            f'  left out, implied by the architecture ({len(self.implied)}): '
            f'{_listing(self.implied)}',
            f'  left out, stored twice ({len(self.aliases)}): {_listing(self.aliases)}',
            f'  without a place on the other side ({len(self.unknown)}): '
            f'{_listing(self.unknown)}'))


def _listing(names: tuple[str, ...]) -> str:
    return ', '.join(names) or 'none'


def read_released_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read the weights of a released checkpoint without running code from it.

    Such files keep the training script's arguments beside the weights: ``argparse.Namespace``, a
    plain record, is the one class that is let in.

    Raises:
        CheckpointError: the file is absent, damaged, holds other objects, or no tensors.
    """
    # older versions of PyTorch cannot let a class in: there such a file is refused
    admit = getattr(torch.serialization, 'safe_globals', nullcontext)
    with admit([argparse.Namespace]):
        return read_state_dict(path)


def from_released(state: dict[str, Tensor], *, source: str = 'the state dict',
                  partial: bool = False) -> ReleasedConversion:
    """Bring released weights to the names of this package.

    Args:
        state: tensors by released name.
        source: what to call their origin in messages.
        partial: keep going when there are names without a rule, as in a relative's checkpoint
            (ReferFormer) that initialises a model; they are reported.

    Raises:
        CheckpointError: naming the source and the first names that do not fit.
    """
    state = {name.removeprefix('module.'): tensor for name, tensor in state.items()}
    aliases = _check_aliases(state, source)
    implied = tuple(name for name in state if _IMPLIED_THERE.fullmatch(name))
    backbone = {name: tensor for name, tensor in state.items()
                if name.startswith(_BACKBONE_THERE) and name not in implied}
    rest = {name: tensor for name, tensor in state.items()
            if not (name in aliases or name in implied or name in backbone)}
    renamed = RELEASED_TABLE.to_here(rest)
    if not renamed.tensors or not backbone:
        raise CheckpointError(
            f'{source} is no released R2-VOS checkpoint: of {len(state)} tensors (such as '
            f'{", ".join(list(state)[:3])}) {len(renamed.tensors)} of the model and '
            f'{len(backbone)} of a backbone ({_BACKBONE_THERE}*) are known by name.')
    problems = renamed.broken + ([] if partial else [
        f'{name} is no tensor of that model' for name in renamed.unknown])
    _raise_for(problems, source)
    converted = _backbone_to_here(backbone, source)
    weights = {f'{_BACKBONE_HERE}{name}': tensor for name, tensor in converted.weights.items()}
    return ReleasedConversion(weights | renamed.tensors, (*implied, *converted.ignored), aliases,
                              tuple(renamed.unknown))


def to_released(state: dict[str, Tensor], *, source: str = 'the state dict') -> ReleasedConversion:
    """The inverse of :func:`from_released`; the box heads are stored twice again.

    Args:
        state: tensors by the names of this package, of a model of the released preset, language
            model included. Any tensors of their shapes will do, such as gradients.
        source: what to call their origin in messages.

    Raises:
        CheckpointError: naming the source and the first names without a released counterpart.
    """
    implied = tuple(name for name in state if _IMPLIED_HERE.fullmatch(name))
    backbone = {name.removeprefix(_BACKBONE_HERE): tensor for name, tensor in state.items()
                if name.startswith(_BACKBONE_HERE) and name not in implied}
    renamed = RELEASED_TABLE.to_there({
        name: tensor for name, tensor in state.items()
        if not (name.startswith(_BACKBONE_HERE) or name in implied)})
    _raise_for(renamed.broken + [f'{name} has no counterpart in the released model'
                                 for name in renamed.unknown], source)
    weights = {f'{_BACKBONE_THERE}{name}': tensor
               for name, tensor in _backbone_to_there(backbone).items()}
    copies = {_ALIAS + name.removeprefix(_ORIGINAL): tensor
              for name, tensor in renamed.tensors.items() if name.startswith(_ORIGINAL)}
    return ReleasedConversion(weights | renamed.tensors | copies, implied, (), ())


def _raise_for(problems: list[str], source: str) -> None:
    if problems:
        more = f', and {len(problems) - 3} more' if len(problems) > 3 else ''
        raise CheckpointError(
            f'{source} does not fit in {len(problems)} places: {"; ".join(problems[:3])}{more}. '
            'Give a checkpoint of the released R2-VOS model, unchanged; weights of a relative '
            '(ReferFormer) can be taken as initialisation.')


def _check_aliases(state: dict[str, Tensor], source: str) -> tuple[str, ...]:
    """Names of the second copy of the box heads.

    Raises:
        CheckpointError: a copy differs from its original, or has none.
    """
    aliases = tuple(name for name in state if name.startswith(_ALIAS))
    problems = []
    for name in aliases:
        original = _ORIGINAL + name.removeprefix(_ALIAS)
        if original not in state:
            problems.append(f'{name} has no original {original}')
        elif not torch.equal(state[name], state[original]):
            problems.append(f'{name} differs from {original}, though both are one tensor there')
    _raise_for(problems, source)
    return aliases


def _backbone_to_here(state: dict[str, Tensor], source: str) -> ConvertedWeights:
    """ResNet keeps its names; Swin and Video Swin have conversions of their own."""
    kernel = state.get(f'{_BACKBONE_THERE}patch_embed.proj.weight')
    if kernel is None:
        return ConvertedWeights(
            {name.removeprefix(_BACKBONE_THERE): tensor for name, tensor in state.items()}, ())
    convert = convert_video_swin if kernel.ndim == 5 else convert_swin
    converted = convert(state, source=source)
    _raise_for([f'{name} is no tensor of that backbone' for name in converted.ignored
                if not name.endswith(_IMPLIED_BY_WINDOWS)], source)
    return converted


def _backbone_to_there(state: dict[str, Tensor]) -> dict[str, Tensor]:
    restore: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict
    if 'patch_embed.projection.weight' in state:
        restore = restore_swin
    elif 'patch_embed.proj.weight' in state:
        restore = restore_video_swin
    return restore(state)
