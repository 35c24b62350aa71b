"""Weights of published Swin checkpoints, brought to the names of the backbones used here.

Three kinds of file hold a Video Swin: the public Kinetics-400 checkpoints of its authors, the
released R2-VOS / ReferFormer / MTTR checkpoints, and what this package writes. They differ in the
prefix of the names, in where patch merging is kept and in the patch kernel:

==============  ====================  ========================  =====================
file            prefix                patch merging             ``patch_embed.proj``
==============  ====================  ========================  =====================
Kinetics-400    ``backbone.``         ``layers.i.downsample.``  (C, 3, 2, 4, 4)
ReferFormer     ``backbone.0.body.``  ``downsamples.i.``        (C, 3, 1, 4, 4)
MTTR, this one  ``backbone.``         ``downsamples.i.``        (C, 3, 1, 4, 4)
==============  ====================  ========================  =====================
"""

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

# Entries under which training code keeps a state dict.
_CONTAINERS = ('state_dict', 'model', 'model_state_dict')
_ANCHOR = 'patch_embed.proj.weight'
# Names of a Swin trunk. Anything else beside them belongs to a classifier or to another module.
_TRUNK = re.compile(r'(patch_embed|layers|downsamples|norm\d)\.')
# Buffers that the architecture implies; they hold nothing that was learned. MMDetection's Swin has
# the first among its own.
_INDEX = '.relative_position_index'
_MASK = '.attn_mask'
_OUTPUT_NORM = re.compile(r'norm\d\.')


class CheckpointError(RuntimeError):
    """A checkpoint file that cannot be used; the message says which, why and what to do."""


@dataclass(frozen=True)
class StoredState:
    """The state dict of a file.

    Args:
        tensors: by name.
        others: names of entries that are no tensors, which cannot be weights.
    """

    tensors: dict[str, Tensor]
    others: tuple[str, ...]


@dataclass(frozen=True)
class ConvertedWeights:
    """What a conversion made of a file.

    Args:
        weights: tensors under the names of the backbone here, without prefix.
        ignored: names in the file that were left out: buffers that the architecture implies,
            the norm before the classifier, and whatever is not the backbone.
    """

    weights: dict[str, Tensor]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class FittedWeights:
    """Weights of a file that fit a model, and where every tensor of both went.

    Args:
        source: what to call the file.
        weights: those with a place in the model, under its names.
        unused: names in the file without a place in the model.
        missing: names in the model that keep their initial values.
    """

    source: str
    weights: dict[str, Tensor]
    unused: tuple[str, ...]
    missing: tuple[str, ...]

    def describe(self) -> str:
        """A few lines for a log; numbers in names are folded into ``*`` and counted."""
        return '\n'.join(
            [
                f'{len(self.weights)} tensors of the backbone from {self.source}',
                f'  left out of the file ({len(self.unused)}): {_fold(self.unused)}',
                f'  missing in the file, start fresh ({len(self.missing)}): {_fold(self.missing)}',
            ]
        )


def _fold(names: Iterable[str]) -> str:
    """'layers.0.x', 'layers.1.x' -> 'layers.*.x (2)'."""
    counts = Counter(re.sub(r'\.\d+(?=\.|$)', '.*', name) for name in names)
    return ', '.join(f'{name} ({count})' for name, count in counts.items()) or 'none'


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of :func:`read_state`; a warning names the entries that are none."""
    stored = read_state(path)
    if stored.others:
        print_log(
            f'{path}: no tensors, left out: {", ".join(stored.others)}',
            logger='current',
            level=logging.WARNING,
        )
    return stored.tensors


def read_state(path: str | Path) -> StoredState:
    """Read the state dict of a local checkpoint file without running code from it.

    Args:
        path: a file written by ``torch.save``: a state dict, or a dict that keeps one under
            ``state_dict``, ``model`` or ``model_state_dict``.

    Raises:
        CheckpointError: if the file is absent, damaged, holds objects other than plain data, or
            holds no tensors.
    """
    file = Path(path)
    if not file.is_file():
        raise CheckpointError(
            f'No checkpoint file at {path}. Only local files are read: download '
            'the checkpoint first and give its path.'
        )
    try:
        content = torch.load(file, map_location='cpu', weights_only=True)
    # A damaged file can fail anywhere in unpickling, with nearly any exception.
    except Exception as error:
        raise CheckpointError(
            f'{path} cannot be read ({type(error).__name__}: {_first_line(error)}). If it was cut '
            'off or is no checkpoint, download it again and compare its size or hash with the '
            "publisher's. If it is complete but holds pickled objects, open it once in an "
            'environment where you trust it and save only its state dict.'
        ) from error
    if isinstance(content, dict):
        content = next(
            (content[name] for name in _CONTAINERS if isinstance(content.get(name), dict)), content
        )
        tensors = {
            name: value
            for name, value in content.items()
            if isinstance(name, str) and isinstance(value, Tensor)
        }
        if tensors:
            return StoredState(tensors, tuple(str(n) for n in content if n not in tensors))
    raise CheckpointError(
        f'{path} holds no state dict, neither at its top level nor under '
        f'{", ".join(_CONTAINERS)}; give a file of model weights.'
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ['no message'])[0]


def _find_prefix(state: dict[str, Tensor], source: str) -> str:
    """The part of the names before the one backbone in ``state``.

    Raises:
        CheckpointError: if there is no Swin in it, or more than one.
    """
    found = [name for name in state if name == _ANCHOR or name.endswith('.' + _ANCHOR)]
    if len(found) == 1:
        return found[0][: -len(_ANCHOR)]
    problem = 'more than one' if found else 'no'
    sample = ', '.join(found or list(state)[:3])
    raise CheckpointError(
        f'{source} holds {problem} Swin backbone: looked for one name ending in {_ANCHOR!r} among '
        f'{len(state)} tensors (such as {sample}). Give a checkpoint of the right model.'
    )


def _trunk(state: dict[str, Tensor], source: str, implied: tuple[str, ...]) -> ConvertedWeights:
    """Strip the prefix, and leave out what is not the trunk or ends as in ``implied``."""
    prefix = _find_prefix(state, source)
    weights, ignored = {}, []
    for key, tensor in state.items():
        name = key[len(prefix) :]
        if key.startswith(prefix) and _TRUNK.match(name) and not name.endswith(implied):
            weights[name] = tensor
        else:
            ignored.append(key)
    return ConvertedWeights(weights, tuple(ignored))


def convert_video_swin(
    state: dict[str, Tensor], *, source: str = 'the state dict'
) -> ConvertedWeights:
    """Bring a Video Swin to the names and shapes of ``VideoSwinTransformer``.

    The prefix is found, patch merging is named ``downsamples.i``, and the two time taps of a
    Kinetics-400 patch kernel are summed: on two equal frames the sum gives what both taps gave.

    Args:
        state: tensors of a whole checkpoint; other modules in it are ignored.
        source: what to call the origin in messages.

    Raises:
        CheckpointError: if there is no Video Swin in it.
    """
    trunk = _trunk(state, source, implied=(_INDEX, _MASK))
    weights = {
        re.sub(r'^layers\.(\d+)\.downsample\.', r'downsamples.\1.', name): tensor
        for name, tensor in trunk.weights.items()
    }
    kernel = weights[_ANCHOR]
    if kernel.ndim != 5:
        raise CheckpointError(
            f'{source}: {_ANCHOR} has shape {tuple(kernel.shape)}, but a Video Swin has five axes '
            '(C, 3, frames, 4, 4). A 2-D Swin goes into mmdet.SwinTransformer '
            '(r2vos_mm.models.backbones.convert_swin).'
        )
    weights[_ANCHOR] = kernel.sum(dim=2, keepdim=True)
    return ConvertedWeights(weights, trunk.ignored)


def convert_swin(state: dict[str, Tensor], *, source: str = 'the state dict') -> ConvertedWeights:
    """Bring a 2-D Swin to the names of ``mmdet.SwinTransformer``.

    MMDetection's own mapping renames attention and MLP and re-orders patch merging, which there
    stacks the channels of the four neighbours in the order of ``nn.Unfold``.

    Args:
        state: tensors of a whole checkpoint, of ReferFormer / R2-VOS or of the ImageNet model.
        source: what to call the origin in messages.

    Raises:
        CheckpointError: if there is no 2-D Swin in it.
    """
    from mmdet.models.backbones.swin import swin_converter

    trunk = _trunk(state, source, implied=(_MASK,))
    kernel = trunk.weights[_ANCHOR]
    if kernel.ndim != 4:
        raise CheckpointError(
            f'{source}: {_ANCHOR} has shape {tuple(kernel.shape)}, but a 2-D Swin has four axes '
            '(C, 3, 4, 4). A Video Swin goes into VideoSwinTransformer.'
        )
    weights = {
        name.removeprefix('backbone.'): tensor
        for name, tensor in swin_converter(trunk.weights).items()
    }
    return ConvertedWeights(weights, trunk.ignored)


def load_video_swin(model: nn.Module, path: str | Path) -> FittedWeights:
    """Load a checkpoint file into a ``VideoSwinTransformer``.

    Args:
        model: the backbone, of the size that the file was trained with.
        path: local file.

    Raises:
        CheckpointError: as :func:`fit_video_swin`, before the model is touched.
    """
    fitted = fit_video_swin(model, path)
    model.load_state_dict(fitted.weights, strict=False)
    return fitted


def fit_video_swin(model: nn.Module, path: str | Path) -> FittedWeights:
    """Weights of a checkpoint file that belong into a ``VideoSwinTransformer``.

    Norms on the returned maps may be missing in the file, and the file may hold such norms or
    later stages that the model does not build. Every other difference is an error.

    Args:
        model: the backbone, of the size that the file was trained with; it is left alone.
        path: local file.

    Raises:
        CheckpointError: naming the file and the first names that do not fit.
    """
    stored, names = read_state(path), list(model.state_dict())
    converted = convert_video_swin(stored.tensors, source=str(path))
    return fit_weights(
        model,
        converted.weights,
        source=str(path),
        ignored=(*converted.ignored, *stored.others),
        may_be_unused=lambda name: _OUTPUT_NORM.match(name) or _behind_last_stage(name, names),
        may_be_missing=_OUTPUT_NORM.match,
        advice='Set embed_dims, depths, num_heads and window_size to those of the checkpoint, or '
        'give the checkpoint of this size.',
    )


def fit_weights(
    model: nn.Module,
    weights: dict[str, Tensor],
    *,
    source: str,
    ignored: Iterable[str],
    may_be_unused: Callable[[str], object],
    may_be_missing: Callable[[str], object],
    advice: str,
) -> FittedWeights:
    """Compare every name and shape of converted weights with those of a model.

    Args:
        model: the backbone; it is left alone.
        weights: under the names of the model.
        source: what to call their origin in messages.
        ignored: names that the conversion left out before.
        may_be_unused: whether a weight may lack a place in the model.
        may_be_missing: whether a tensor of the model may keep its initial values.
        advice: what the message about weights that do not fit ends with.

    Raises:
        CheckpointError: naming the source and the first names that do not fit.
    """
    expected = model.state_dict()
    unused = [name for name in weights if name not in expected]
    missing = [name for name in expected if name not in weights]
    fitting = {name: tensor for name, tensor in weights.items() if name in expected}
    problems = [
        f'{name} has shape {tuple(tensor.shape)}, the model needs {tuple(expected[name].shape)}'
        for name, tensor in fitting.items()
        if tensor.shape != expected[name].shape
    ]
    problems += [f'{name} is missing' for name in missing if not may_be_missing(name)]
    problems += [f'{name} has no place in the model' for name in unused if not may_be_unused(name)]
    if problems:
        raise CheckpointError(
            f'{source} does not fit the backbone in {len(problems)} places: '
            f'{"; ".join(problems[:3])}. {advice}'
        )
    return FittedWeights(source, fitting, (*unused, *ignored), tuple(missing))


def _behind_last_stage(name: str, expected: Iterable[str]) -> bool:
    """Whether ``name`` belongs to a stage, or the merging before it, that is not built at all."""
    kind, stage = name.split('.')[:2]
    if not stage.isdecimal():
        return False
    built = {other.split('.')[1] for other in expected if other.startswith('layers.')}
    if kind == 'layers':
        return stage not in built
    return kind == 'downsamples' and str(int(stage) + 1) not in built
