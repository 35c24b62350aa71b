"""The format that released checkpoints share: all but their table of names.

The language model, the backbone (ResNet, Swin or Video Swin) and every other part are covered, so
that a file is accounted for to the last tensor. What exists twice there (the box heads, which its
decoder holds too) is checked to be equal and kept once; what the architecture implies (position
numbers of the language model, relative positions and masks of attention windows) is left out.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from r2vos_mm.compat.checkpoint import admitted_classes
from r2vos_mm.models.backbones.checkpoints import (
    CheckpointError,
    ConvertedWeights,
    convert_swin,
    convert_video_swin,
    read_state_dict,
)

from .name_tables import NameTable
from .swin_names import restore_swin, restore_video_swin

_BACKBONE_HERE = 'backbone.'
_ALIAS = 'transformer.decoder.bbox_embed.'
_ORIGINAL = 'bbox_embed.'
# Buffers that hold nothing learned.
_IMPLIED_THERE = re.compile(
    r'(transformer\.)?text_encoder\.embeddings\.(position_ids|token_type_ids)'
    r'|backbone\..*num_batches_tracked'
)
_IMPLIED_BY_WINDOWS = ('.relative_position_index', '.attn_mask')
_IMPLIED_HERE = re.compile(
    r'backbone\..*num_batches_tracked'
    r'|text_encoder\.language_model\.embeddings\.(position_ids|token_type_ids)'
)


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
        return '\n'.join(
            (
                f'{len(self.weights)} tensors under their new names',
                f'  left out, implied by the architecture ({len(self.implied)}): '
                f'{_listing(self.implied)}',
                f'  left out, stored twice ({len(self.aliases)}): {_listing(self.aliases)}',
                f'  without a place on the other side ({len(self.unknown)}): '
                f'{_listing(self.unknown)}',
            )
        )


def _listing(names: tuple[str, ...]) -> str:
    return ', '.join(names) or 'none'


def read_released_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read the weights of a released checkpoint without running code from it.

    Such files keep the training script's arguments beside the weights: ``argparse.Namespace``, a
    plain record, is the one class that is let in.

    Raises:
        CheckpointError: the file is absent, damaged, holds other objects, or no tensors.
    """
    with admitted_classes([argparse.Namespace]):
        return read_state_dict(path)


@dataclass(frozen=True)
class ReleasedFormat:
    """How the released checkpoints of one method look.

    Attributes:
        method: its name in messages.
        table: names of everything but the backbone.
        advice: what a message about weights that do not fit ends with.
        backbone: what the names of the backbone begin with.
        container: entry of the file under which the weights are.
    """

    method: str
    table: NameTable
    advice: str
    backbone: str = 'backbone.0.body.'
    container: str = 'model'

    def to_here(
        self, state: dict[str, Tensor], *, source: str = 'the state dict', partial: bool = False
    ) -> ReleasedConversion:
        """Bring released weights to the names of this package.

        Args:
            state: tensors by released name.
            source: what to call their origin in messages.
            partial: keep going when there are names without a rule, as in a relative's checkpoint
                that initialises a model; they are reported.

        Raises:
            CheckpointError: naming the source and the first names that do not fit.
        """
        state = {name.removeprefix('module.'): tensor for name, tensor in state.items()}
        aliases = self._check_aliases(state, source)
        implied = tuple(name for name in state if _IMPLIED_THERE.fullmatch(name))
        backbone = {
            name: tensor
            for name, tensor in state.items()
            if name.startswith(self.backbone) and name not in implied
        }
        rest = {
            name: tensor
            for name, tensor in state.items()
            if not (name in aliases or name in implied or name in backbone)
        }
        renamed = self.table.to_here(rest)
        if not renamed.tensors or not backbone:
            raise CheckpointError(
                f'{source} is no released {self.method} checkpoint: of {len(state)} tensors (such '
                f'as {", ".join(list(state)[:3])}) {len(renamed.tensors)} of the model and '
                f'{len(backbone)} of a backbone ({self.backbone}*) are known by name.'
            )
        self._raise_for(
            renamed.broken
            + (
                []
                if partial
                else [f'{name} is no tensor of that model' for name in renamed.unknown]
            ),
            source,
        )
        converted = self._backbone_to_here(backbone, source)
        weights = {f'{_BACKBONE_HERE}{name}': tensor for name, tensor in converted.weights.items()}
        return ReleasedConversion(
            weights | renamed.tensors,
            (*implied, *converted.ignored),
            aliases,
            tuple(renamed.unknown),
        )

    def to_there(
        self, state: dict[str, Tensor], *, source: str = 'the state dict'
    ) -> ReleasedConversion:
        """The inverse of :meth:`to_here`; the box heads are stored twice again.

        Args:
            state: tensors by the names of this package, of a model that has a released counterpart,
                language model included. Any tensors of their shapes will do, such as gradients.
            source: what to call their origin in messages.

        Raises:
            CheckpointError: naming the source and the first names without a released counterpart.
        """
        implied = tuple(name for name in state if _IMPLIED_HERE.fullmatch(name))
        backbone = {
            name.removeprefix(_BACKBONE_HERE): tensor
            for name, tensor in state.items()
            if name.startswith(_BACKBONE_HERE) and name not in implied
        }
        renamed = self.table.to_there(
            {
                name: tensor
                for name, tensor in state.items()
                if not (name.startswith(_BACKBONE_HERE) or name in implied)
            }
        )
        self._raise_for(
            renamed.broken
            + [f'{name} has no counterpart in the released model' for name in renamed.unknown],
            source,
        )
        weights = {
            f'{self.backbone}{name}': tensor
            for name, tensor in _backbone_to_there(backbone).items()
        }
        copies = {
            _ALIAS + name.removeprefix(_ORIGINAL): tensor
            for name, tensor in renamed.tensors.items()
            if name.startswith(_ORIGINAL)
        }
        return ReleasedConversion(weights | renamed.tensors | copies, implied, (), ())

    def _raise_for(self, problems: list[str], source: str) -> None:
        if problems:
            more = f', and {len(problems) - 3} more' if len(problems) > 3 else ''
            raise CheckpointError(
                f'{source} does not fit in {len(problems)} places: {"; ".join(problems[:3])}'
                f'{more}. {self.advice}'
            )

    def _check_aliases(self, state: dict[str, Tensor], source: str) -> tuple[str, ...]:
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
        self._raise_for(problems, source)
        return aliases

    def _backbone_to_here(self, state: dict[str, Tensor], source: str) -> ConvertedWeights:
        """ResNet keeps its names; Swin and Video Swin have conversions of their own."""
        kernel = state.get(f'{self.backbone}patch_embed.proj.weight')
        if kernel is None:
            return ConvertedWeights(
                {name.removeprefix(self.backbone): tensor for name, tensor in state.items()}, ()
            )
        convert = convert_video_swin if kernel.ndim == 5 else convert_swin
        converted = convert(state, source=source)
        self._raise_for(
            [
                f'{name} is no tensor of that backbone'
                for name in converted.ignored
                if not name.endswith(_IMPLIED_BY_WINDOWS)
            ],
            source,
        )
        return converted


def _backbone_to_there(state: dict[str, Tensor]) -> dict[str, Tensor]:
    restore: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict
    if 'patch_embed.projection.weight' in state:
        restore = restore_swin
    elif 'patch_embed.proj.weight' in state:
        restore = restore_video_swin
    return restore(state)
