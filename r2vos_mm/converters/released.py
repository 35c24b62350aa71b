"""Convert released checkpoints of R2-VOS, ReferFormer and MTTR to this package, and back.

Every tensor of a file is accounted for. Tensors that the released models store twice (the box
heads, which their decoder holds too) are checked to be equal and kept once; those that the
architecture implies (position numbers of the language model, relative positions and masks of
attention windows) are omitted.
"""

import logging
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from einops import rearrange
from mmengine.logging import print_log
from torch import Tensor, nn

from r2vos_mm.models.backbones import BackboneWeights, convert_swin, convert_video_swin, read_state
from r2vos_mm.models.backbones.windows import relative_position_index
from r2vos_mm.utils.data_issues import shown
from r2vos_mm.utils.state_dict import CheckpointMismatchError, FitReport, compare_weights

from .names import MTTR_TABLE, R2VOS_TABLE, REFERFORMER_TABLE, NameTable

_BACKBONE = 'backbone.'
_ALIAS, _ORIGINAL = 'transformer.decoder.bbox_embed.', 'bbox_embed.'
# Buffers that are not learned, in names of either side.
_IMPLIED = re.compile(
    r'((transformer\.)?text_encoder|text_encoder\.language_model)\.embeddings\.'
    r'(position_ids|token_type_ids)|backbone\..*num_batches_tracked'
)
_BIASES, _POSITIONS = '.relative_position_bias_table', '.relative_position_index'
_IMPLIED_BY_WINDOWS = (_POSITIONS, '.attn_mask')
# Windows of the published backbones by the rows of their tables, (2t-1)(2h-1)(2w-1).
_WINDOWS = {13 * 13: (1, 7, 7), 15 * 13 * 13: (8, 7, 7)}
# Parts of names in MMDetection's 2-D Swin and in the released one.
_SWIN = (
    ('stages.', 'layers.'),
    ('.w_msa.', '.'),
    ('.ffn.layers.0.0.', '.mlp.fc1.'),
    ('.ffn.layers.1.', '.mlp.fc2.'),
    ('patch_embed.projection.', 'patch_embed.proj.'),
)


def read_released_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Read the weights of a released checkpoint without running code from it.

    Raises:
        FileNotFoundError: The file does not exist.
        CheckpointReadError: It is damaged, or holds other objects or no tensors.
    """
    stored = read_state(path)
    if stored.ignored:
        names = ', '.join(stored.ignored)
        print_log(f'{path}: skipped, no tensors: {names}', 'current', logging.WARNING)
    return stored.weights


@dataclass(frozen=True)
class Conversion:
    """Converted weights; the fields together name every tensor that was given.

    Attributes:
        weights: Tensors under their new names.
        implied: Old names omitted because the architecture implies their content.
        aliases: Old names omitted because an equal tensor is kept under another name.
        unknown: Old names that have no counterpart in the other format.
    """

    weights: dict[str, Tensor]
    implied: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return lines for a log."""
        rows = {
            'skipped, implied by the architecture': self.implied,
            'skipped, stored twice': self.aliases,
            'without a counterpart in the other format': self.unknown,
        }
        head = f'{len(self.weights)} tensors under their new names'
        return '\n'.join([head, *(listing(*row) for row in rows.items())])


def listing(what: str, names: Iterable[str]) -> str:
    """Return an indented line that counts and lists names."""
    names = list(names)
    return f'  {what} ({len(names)}): {", ".join(names) or "none"}'


@dataclass(frozen=True)
class ReleasedFormat:
    """Layout of the released checkpoints of one method.

    Attributes:
        method: Its name in messages.
        table: Names of everything but the backbone.
        backbone: Prefix of the backbone's names.
        container: Entry of the file under which the weights are.
    """

    method: str
    table: NameTable
    backbone: str = 'backbone.0.body.'
    container: str = 'model'

    def to_ours(
        self, state: dict[str, Tensor], *, source: str = 'the state dict', partial: bool = False
    ) -> Conversion:
        """Bring released weights to the names of this package.

        With ``partial``, names without a rule are reported instead of refused, as for a checkpoint
        of another method that initializes a model.

        Raises:
            CheckpointMismatchError: names do not fit; the message contains the first ones.
        """
        state = {name.removeprefix('module.'): tensor for name, tensor in state.items()}
        aliases = self._check_aliases(state, source)
        implied, backbone, others = _split(state, self.backbone, aliases)
        renamed = self.table.to_ours(others)
        if not renamed.tensors or not backbone:
            raise CheckpointMismatchError(
                f'{source} is not a released {self.method} checkpoint: of {len(state)} tensors '
                f'(such as {", ".join(list(state)[:3])}), {len(renamed.tensors)} are known by name '
                f'as parts of the model and {len(backbone)} as parts of {self.backbone}*.'
            )
        unknown = [f'{n} is not a tensor of that model' for n in renamed.unknown if not partial]
        self._raise_for(renamed.broken + unknown, source)
        converted = self._backbone_to_ours(backbone, source)
        weights = {_BACKBONE + name: tensor for name, tensor in converted.weights.items()}
        left_out = (*implied, *converted.ignored)
        return Conversion(weights | renamed.tensors, left_out, aliases, tuple(renamed.unknown))

    def to_released(
        self, state: dict[str, Tensor], *, source: str = 'the state dict'
    ) -> Conversion:
        """Bring our weights to their released names, the inverse of :meth:`to_ours`.

        They include the language model; any tensors of their shapes will do, such as gradients.

        Raises:
            CheckpointMismatchError: names lack a counterpart; the message contains the first ones.
        """
        implied, backbone, others = _split(state, _BACKBONE)
        renamed = self.table.to_released(others)
        unknown = [f'{name} has no counterpart in the released model' for name in renamed.unknown]
        self._raise_for(renamed.broken + unknown, source)
        backbone = {name.removeprefix(_BACKBONE): tensor for name, tensor in backbone.items()}
        if 'patch_embed.projection.weight' in backbone:
            backbone = restore_swin(backbone)
        weights = {self.backbone + name: tensor for name, tensor in backbone.items()}
        boxes = {n: t for n, t in renamed.tensors.items() if n.startswith(_ORIGINAL)}
        copies = {_ALIAS + name.removeprefix(_ORIGINAL): t for name, t in boxes.items()}
        return Conversion(weights | renamed.tensors | copies, implied)

    def _raise_for(self, problems: list[str], source: str) -> None:
        if problems:
            raise CheckpointMismatchError(
                f'{source} does not fit in {len(problems)} places: {shown(problems, 3, "; ")}. '
                f'Give an unchanged checkpoint of the released {self.method} model.'
            )

    def _check_aliases(self, state: dict[str, Tensor], source: str) -> tuple[str, ...]:
        """Return the names of the second copy of the box heads, after comparing the two copies."""
        originals = {n: _ORIGINAL + n.removeprefix(_ALIAS) for n in state if n.startswith(_ALIAS)}
        problems = []
        for name, original in originals.items():
            if original not in state:
                problems.append(f'{name} has no original {original}')
            elif not torch.equal(state[name], state[original]):
                problems.append(f'{name} differs from {original}, of which it must be a copy')
        self._raise_for(problems, source)
        return tuple(originals)

    def _backbone_to_ours(self, state: dict[str, Tensor], source: str) -> BackboneWeights:
        """Convert the names of Swin and Video Swin; ResNet keeps its names."""
        kernel = state.get(f'{self.backbone}patch_embed.proj.weight')
        if kernel is None:
            return BackboneWeights({n.removeprefix(self.backbone): t for n, t in state.items()})
        convert = convert_video_swin if kernel.ndim == 5 else convert_swin
        converted = convert(state, source=source)
        unknown = [name for name in converted.ignored if not name.endswith(_IMPLIED_BY_WINDOWS)]
        self._raise_for([f'{name} is not a tensor of that backbone' for name in unknown], source)
        return converted


R2VOS = ReleasedFormat('R2-VOS', R2VOS_TABLE)
REFERFORMER = ReleasedFormat('ReferFormer', REFERFORMER_TABLE)
MTTR = ReleasedFormat('MTTR', MTTR_TABLE, backbone='backbone.', container='model_state_dict')


def _split(
    state: dict[str, Tensor], backbone: str, aliases: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], dict[str, Tensor], dict[str, Tensor]]:
    """Return the names of implied buffers, the learned tensors of the backbone, and the others."""
    implied = tuple(name for name in state if _IMPLIED.fullmatch(name))
    learned = {n: t for n, t in state.items() if n not in implied and n not in aliases}
    own = {name: tensor for name, tensor in learned.items() if name.startswith(backbone)}
    return implied, own, {name: t for name, t in learned.items() if name not in own}


def restore_swin(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of ``mmdet.SwinTransformer`` as released checkpoints hold them.

    The inverse of ``convert_swin``; Video Swin has the same names on both sides. Names change,
    and so does the input of patch merging: channel, row, column in MMDetection; column, row,
    channel in the released model.
    """
    restored = {}
    for name, tensor in state.items():
        if '.downsample.' in name:
            tensor = rearrange(tensor, '... (c row column) -> ... (column row c)', row=2, column=2)
        for ours, released in _SWIN:
            name = name.replace(ours, released)
        restored[name] = tensor
    return restored


def window_positions(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the int64 buffers of relative positions that a released Swin or Video Swin stores.

    They are not learned but follow from the window size (7x7, and 8x7x7 in Video Swin), which the
    number of rows of a bias table determines. Code that loads strictly needs them.
    """
    buffers = {}
    for name, table in state.items():
        window = _WINDOWS.get(len(table)) if name.endswith(_BIASES) else None
        if window is not None:
            buffers[name.removesuffix(_BIASES) + _POSITIONS] = relative_position_index(
                window, math.prod(window), torch.device('cpu')
            )
    return buffers


def load_converted(
    model: nn.Module,
    weights: dict[str, Tensor],
    *,
    source: str,
    partial: bool = False,
    advice: str = 'Use the config of the same backbone and preset.',
) -> FitReport:
    """Load converted weights into the model of their config, every tensor accounted for.

    With ``partial``, what fits is loaded, for initialization by a checkpoint of another method.

    Raises:
        CheckpointMismatchError: some shapes or names differ, or with ``partial`` all of them;
            nothing is loaded then. The message ends with ``advice``.
    """
    report = compare_weights(model, weights, source=source, hooks=False)
    if not (partial and report.weights):
        report.require(advice=advice)
    model.load_state_dict(report.weights, strict=False)
    return report
