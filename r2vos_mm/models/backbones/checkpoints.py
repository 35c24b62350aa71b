"""Read published backbone weights and rename them for the backbones of the configs.

Files are read as their owners publish them. A Video Swin comes in three kinds, which differ in the
prefix of the names, in where patch merging is kept and in the patch kernel:

==============  ====================  ========================  =====================
file            prefix                patch merging             ``patch_embed.proj``
==============  ====================  ========================  =====================
Kinetics-400    ``backbone.``         ``layers.i.downsample.``  (C, 3, 2, 4, 4)
ReferFormer     ``backbone.0.body.``  ``downsamples.i.``        (C, 3, 1, 4, 4)
MTTR, this one  ``backbone.``         ``downsamples.i.``        (C, 3, 1, 4, 4)
==============  ====================  ========================  =====================
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn

from r2vos_mm.compat.checkpoint import CheckpointReadError, load_checkpoint
from r2vos_mm.utils.state_dict import CheckpointMismatchError, FitReport, compare_weights

# Entries under which training code keeps a state dict.
_CONTAINERS = ('state_dict', 'model', 'model_state_dict')
_SWIN, _MMDET_SWIN, _RESNET = (
    'patch_embed.proj.weight',
    'patch_embed.projection.weight',
    'layer1.0.conv1.weight',
)
# Names of a Swin trunk. Any other belongs to a classifier or to another module.
_TRUNK = re.compile(r'(patch_embed|layers|stages|downsamples|norm\d)\.')
# Buffers that the architecture implies; MMDetection's Swin saves the first.
_INDEX, _MASK = '.relative_position_index', '.attn_mask'
_OPTIONAL = re.compile(rf'norm\d\..*|.*\{_INDEX}')
_SURPLUS = re.compile(r'(norm\d|norm|fc|head)\..*')


@dataclass(frozen=True)
class BackboneWeights:
    """Weights taken out of a file.

    Attributes:
        weights: Tensors by name.
        ignored: Names in the file that were left out: entries that are not tensors, buffers that
            the architecture implies, classifiers, and other modules.
    """

    weights: dict[str, Tensor]
    ignored: tuple[str, ...] = ()


def read_state(source: str | Path) -> BackboneWeights:
    """Read the state dict of a checkpoint file without running code from it.

    Args:
        source: Path or address of a file written by ``torch.save``: a state dict, or a dict that
            keeps one under ``state_dict``, ``model`` or ``model_state_dict``.

    Raises:
        FileNotFoundError: The file does not exist.
        CheckpointReadError: It is damaged, holds objects other than plain data, or no tensors.
    """
    content = load_checkpoint(str(source))
    if isinstance(content, dict):
        content = next(
            (content[n] for n in _CONTAINERS if isinstance(content.get(n), dict)), content
        )
        tensors = {
            name: value
            for name, value in content.items()
            if isinstance(name, str) and isinstance(value, Tensor)
        }
        if tensors:
            return BackboneWeights(tensors, tuple(str(n) for n in content if n not in tensors))
    raise CheckpointReadError(
        f'{source} holds no state dict, neither at its top level nor under '
        f'{", ".join(_CONTAINERS)}; give a file of model weights.'
    )


def _find_prefix(state: dict[str, Tensor], anchor: str, source: str) -> str:
    """The part of the names before the one backbone that has a tensor ``anchor``."""
    found = [name for name in state if name == anchor or name.endswith(f'.{anchor}')]
    if len(found) == 1:
        return found[0].removesuffix(anchor)
    problem = 'more than one' if found else 'no'
    raise CheckpointMismatchError(
        f'{source} holds {problem} {"ResNet" if anchor == _RESNET else "Swin"} backbone: looked '
        f'for one name ending in {anchor!r} among {len(state)} tensors (such as '
        f'{", ".join(found or list(state)[:3])}). Give a checkpoint of the right model.'
    )


def _trunk(
    state: dict[str, Tensor], source: str, *, implied: tuple[str, ...], anchor: str = _SWIN
) -> BackboneWeights:
    """Strip the prefix, and leave out what is not the trunk or ends as in ``implied``."""
    prefix = _find_prefix(state, anchor, source)
    weights, ignored = {}, []
    for key, tensor in state.items():
        name = key.removeprefix(prefix)
        known = anchor == _RESNET or _TRUNK.match(name)
        if key.startswith(prefix) and known and not name.endswith(implied):
            weights[name] = tensor
        else:
            ignored.append(key)
    return BackboneWeights(weights, tuple(ignored))


def convert_video_swin(
    state: dict[str, Tensor], *, source: str = 'the state dict'
) -> BackboneWeights:
    """Bring a Video Swin to the names and shapes of ``VideoSwinTransformer``.

    The prefix is found, patch merging is named ``downsamples.i``, and the two time taps of a
    Kinetics-400 patch kernel are summed: on two equal frames the sum gives what both taps gave.

    Args:
        state: Tensors of a whole checkpoint; other modules in it are ignored.
        source: What to call the origin in messages.

    Raises:
        CheckpointMismatchError: There is no Video Swin in it.
    """
    trunk = _trunk(state, source, implied=(_INDEX, _MASK))
    weights = {
        re.sub(r'^layers\.(\d+)\.downsample\.', r'downsamples.\1.', name): tensor
        for name, tensor in trunk.weights.items()
    }
    _check_axes(weights[_SWIN], 5, source)
    weights[_SWIN] = weights[_SWIN].sum(dim=2, keepdim=True)
    return BackboneWeights(weights, trunk.ignored)


def convert_swin(state: dict[str, Tensor], *, source: str = 'the state dict') -> BackboneWeights:
    """Bring a 2-D Swin to the names of ``mmdet.SwinTransformer``.

    MMDetection's own mapping renames attention and MLP and reorders patch merging, where it stacks
    the channels of the four neighbours in the order of ``nn.Unfold``.

    Args:
        state: Tensors of a whole checkpoint, of ReferFormer / R2-VOS or of the ImageNet model.
        source: What to call the origin in messages.

    Raises:
        CheckpointMismatchError: There is no 2-D Swin in it.
    """
    from mmdet.models.backbones.swin import swin_converter

    trunk = _trunk(state, source, implied=(_MASK,))
    _check_axes(trunk.weights[_SWIN], 4, source)
    weights = {
        name.removeprefix('backbone.'): tensor
        for name, tensor in swin_converter(trunk.weights).items()
    }
    return BackboneWeights(weights, trunk.ignored)


def _check_axes(kernel: Tensor, axes: int, source: str) -> None:
    if kernel.ndim != axes:
        kinds = {4: '2-D Swin, mmdet.SwinTransformer', 5: 'Video Swin, VideoSwinTransformer'}
        raise CheckpointMismatchError(
            f'{source}: {_SWIN} has shape {tuple(kernel.shape)}, {axes} axes are needed for a '
            f'{kinds[axes]}; use it for a {kinds[9 - axes]}.'
        )


def load_backbone(backbone: nn.Module, source: str | Path) -> FitReport:
    """Load a published checkpoint into a backbone.

    Args:
        backbone: ``VideoSwinTransformer``, ``mmdet.SwinTransformer`` or ``mmdet.ResNet``.
        source: Path or address.

    Raises:
        FileNotFoundError, CheckpointReadError, CheckpointMismatchError: As :func:`fit_backbone`,
            before the backbone is touched.
    """
    report = fit_backbone(backbone, source)
    backbone.load_state_dict(report.weights, strict=False)
    return report


def fit_backbone(backbone: nn.Module, source: str | Path) -> FitReport:
    """Return the weights of a published checkpoint that belong into a backbone.

    Norms on the returned maps may be missing in the file, and the file may hold such norms, a
    classifier, or later stages that the backbone does not build. Any other difference is an error.

    Args:
        backbone: ``VideoSwinTransformer``, ``mmdet.SwinTransformer`` or ``mmdet.ResNet`` of the
            size that the file was trained with; it is not changed.
        source: Path or address.

    Raises:
        FileNotFoundError: The file does not exist.
        CheckpointReadError: It cannot be read, see :func:`read_state`.
        CheckpointMismatchError: Its weights do not fit.
    """
    stored, names = read_state(source), list(backbone.state_dict())
    converted = _convert_for(names, stored.weights, str(source))
    report = compare_weights(
        backbone,
        converted.weights,
        source=str(source),
        ignored=(*converted.ignored, *stored.ignored),
    )
    replace(
        report,
        missing_keys=[name for name in report.missing_keys if not _OPTIONAL.fullmatch(name)],
        unexpected_keys=[
            name
            for name in report.unexpected_keys
            if not (_SURPLUS.fullmatch(name) or _after_last_stage(name, names))
        ],
    ).require(
        advice='Give a checkpoint of this backbone, or set its sizes (depth, embed_dims, depths, '
        'num_heads, window_size) to those of the checkpoint.',
    )
    return report


def _convert_for(names: list[str], state: dict[str, Tensor], source: str) -> BackboneWeights:
    """Convert ``state`` for the backbone whose tensors have these names."""
    if _SWIN in names:
        return convert_video_swin(state, source=source)
    if _MMDET_SWIN not in names:
        return _trunk(state, source, implied=(), anchor=_RESNET)
    if any(name.endswith(_MMDET_SWIN) for name in state):
        return _trunk(state, source, implied=(_MASK,), anchor=_MMDET_SWIN)
    return convert_swin(state, source=source)


def _after_last_stage(name: str, expected: list[str]) -> bool:
    """Whether ``name`` belongs to a stage, or the merging before it, that is not built at all."""
    found = re.match(r'(layers|downsamples)\.(\d+)\.', name)
    if not found:
        return False
    stage = int(found[2]) + (found[1] == 'downsamples')
    return not any(other.startswith(f'layers.{stage}.') for other in expected)
