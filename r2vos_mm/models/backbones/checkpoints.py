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
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from r2vos_mm.utils.checkpoint import CheckpointReadError, load_checkpoint
from r2vos_mm.utils.state_dict import CheckpointMismatchError, FitReport, compare_weights

# Entries under which training code keeps a state dict.
_CONTAINERS = ('state_dict', 'model', 'model_state_dict')
# One tensor of each kind of backbone.
_SWIN, _MMDET_SWIN = 'patch_embed.proj.weight', 'patch_embed.projection.weight'
_RESNET = 'layer1.0.conv1.weight'
# Names of a Swin trunk. Any other belongs to a classifier or to another module.
_TRUNK = re.compile(r'(patch_embed|layers|stages|downsamples|norm\d)\.')
# Buffers that the architecture implies; MMDetection's Swin saves the first.
_INDEX, _MASK = '.relative_position_index', '.attn_mask'
_OPTIONAL = re.compile(rf'norm\d\..*|.*\{_INDEX}')
_SURPLUS = re.compile(r'(norm\d|norm|fc|head)\..*')


class BackboneWeights(NamedTuple):
    """Weights taken from a file, by name, and the names in the file that were skipped."""

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
    found = find_state(load_checkpoint(str(source)))
    if not found.weights:
        raise CheckpointReadError(
            f'{source} holds no state dict, neither at its top level nor under '
            f'{", ".join(_CONTAINERS)}; give a file of model weights.'
        )
    return found


def find_state(content: object) -> BackboneWeights:
    """Return the tensors of the state dict in the content of a file; none if there is none."""
    if not isinstance(content, dict):
        return BackboneWeights({})
    found = [content[n] for n in _CONTAINERS if isinstance(content.get(n), dict)]
    content = found[0] if found else content
    tensors = {n: x for n, x in content.items() if isinstance(n, str) and isinstance(x, Tensor)}
    return BackboneWeights(tensors, tuple(str(n) for n in content if n not in tensors))


def _trunk(
    state: dict[str, Tensor], source: str, *, implied: tuple[str, ...], anchor: str = _SWIN
) -> BackboneWeights:
    """Take out the one backbone that has a tensor ``anchor``, without the suffixes ``implied``."""
    found = [name for name in state if name == anchor or name.endswith(f'.{anchor}')]
    if len(found) != 1:
        raise CheckpointMismatchError(
            f'{source} holds {"more than one" if found else "no"} '
            f'{"ResNet" if anchor == _RESNET else "Swin"} backbone: looked for one name ending in '
            f'{anchor!r} among {len(state)} tensors (such as '
            f'{", ".join(found or list(state)[:3])}). Give a checkpoint of the right model.'
        )
    prefix, weights = found[0].removesuffix(anchor), {}
    for key, tensor in state.items():
        name = key.removeprefix(prefix)
        known = anchor == _RESNET or _TRUNK.match(name)
        if key.startswith(prefix) and known and not name.endswith(implied):
            weights[name] = tensor
    ignored = tuple(key for key in state if key.removeprefix(prefix) not in weights)
    return BackboneWeights(weights, ignored)


def convert_video_swin(
    state: dict[str, Tensor], *, source: str = 'the state dict'
) -> BackboneWeights:
    """Bring a Video Swin to the names and shapes of ``VideoSwinTransformer``.

    The prefix is found, patch merging is named ``downsamples.i``, and the two time taps of a
    Kinetics-400 patch kernel are summed: on two equal frames, the sum gives the same result.

    Args:
        state: Tensors of a whole checkpoint; other modules in it are ignored.
        source: Name of the origin in messages.

    Raises:
        CheckpointMismatchError: There is no Video Swin in it.
    """
    trunk, ignored = _trunk(state, source, implied=(_INDEX, _MASK))
    weights = {
        re.sub(r'^layers\.(\d+)\.downsample\.', r'downsamples.\1.', name): tensor
        for name, tensor in trunk.items()
    }
    _check_axes(weights[_SWIN], 5, source)
    weights[_SWIN] = weights[_SWIN].sum(dim=2, keepdim=True)
    return BackboneWeights(weights, ignored)


def convert_swin(state: dict[str, Tensor], *, source: str = 'the state dict') -> BackboneWeights:
    """Bring a 2-D Swin, ReferFormer's or ImageNet's, to the names of ``mmdet.SwinTransformer``.

    MMDetection's own mapping renames attention and MLP and reorders patch merging, where it stacks
    the channels of the neighbours in the order of ``nn.Unfold``. See :func:`convert_video_swin`.
    """
    from mmdet.models.backbones.swin import swin_converter

    trunk, ignored = _trunk(state, source, implied=(_MASK,))
    _check_axes(trunk[_SWIN], 4, source)
    weights = {n.removeprefix('backbone.'): x for n, x in swin_converter(trunk).items()}
    return BackboneWeights(weights, ignored)


def _check_axes(kernel: Tensor, axes: int, source: str) -> None:
    if kernel.ndim != axes:
        kinds = {4: '2-D Swin, mmdet.SwinTransformer', 5: 'Video Swin, VideoSwinTransformer'}
        raise CheckpointMismatchError(
            f'{source}: {_SWIN} has shape {tuple(kernel.shape)}, {axes} axes are needed for a '
            f'{kinds[axes]}; use it for a {kinds[9 - axes]}.'
        )


def load_backbone(backbone: nn.Module, source: str | Path) -> FitReport:
    """Load a published checkpoint into a backbone; arguments and errors as :func:`fit_backbone`."""
    report = fit_backbone(backbone, source)
    backbone.load_state_dict(report.weights, strict=False)
    return report


def fit_backbone(backbone: nn.Module, source: str | Path) -> FitReport:
    """Return the weights of a published checkpoint that belong to a backbone.

    Norms on the returned maps may be missing in the file, and the file may hold such norms, a
    classifier, or later stages. Any other difference is an error.

    Args:
        backbone: ``VideoSwinTransformer``, ``mmdet.SwinTransformer`` or ``mmdet.ResNet``.
        source: Path or address.

    Raises:
        FileNotFoundError: The file does not exist.
        CheckpointReadError: It cannot be read, see :func:`read_state`.
        CheckpointMismatchError: Its weights do not fit.
    """
    (state, unread), names = read_state(source), list(backbone.state_dict())
    weights, ignored = _convert_for(names, state, str(source))
    ignored = (*ignored, *unread)
    report = compare_weights(backbone, weights, source=str(source), ignored=ignored)
    unknown = [n for n in report.unexpected_keys if not _SURPLUS.fullmatch(n)]
    replace(
        report,
        missing_keys=[n for n in report.missing_keys if not _OPTIONAL.fullmatch(n)],
        unexpected_keys=[n for n in unknown if not _after_last_stage(n, names)],
    ).require(
        advice='Give a checkpoint of this backbone, or set its sizes (depth, embed_dims, depths, '
        'num_heads, window_size) to those of the checkpoint.'
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
    """Return whether ``name`` belongs to a stage, or the merging before it, that is not built."""
    found = re.match(r'(layers|downsamples)\.(\d+)\.', name)
    if not found:
        return False
    stage = int(found[2]) + (found[1] == 'downsamples')
    return not any(other.startswith(f'layers.{stage}.') for other in expected)
