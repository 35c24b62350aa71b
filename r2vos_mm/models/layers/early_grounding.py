"""Ground the expression in one level of the memory."""

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, caffe2_xavier_init
from torch import Tensor

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import ClipMaps, TextFeatures

from .maps import per_frame


class _Grounding(BaseModule):
    """Base of the groundings: a 1x1 convolution, ``parts`` built from configs, a 3x3 one."""

    def __init__(self, channels: int, num_groups: int, **parts: dict) -> None:
        super().__init__()
        norm = dict(type='GN', num_groups=num_groups)
        self.lateral = ConvModule(channels, channels, 1, norm_cfg=norm, act_cfg=None)
        for name, config in parts.items():
            setattr(self, name, MODELS.build(config))
        self.output = ConvModule(channels, channels, 3, padding=1, norm_cfg=norm)

    def _project(self, vision: ClipMaps) -> ClipMaps:
        return ClipMaps(per_frame(self.lateral, vision.cells), vision.position, vision.padding)


@MODELS.register_module()
class EarlyGrounding(_Grounding):
    """The early grounding module: f_early = ReLU(GN(conv3x3(v' + r))) (R2-VOS supplementary, C).

    Group normalization includes padded cells, so padding a clip changes its features slightly.

    Args:
        channels: C.
        num_groups: groups of the normalizations.
        attention: config of the dual cross-attention.
        dynamic_filter: config of the dynamic filter.
    """

    def __init__(
        self, *, attention: dict, dynamic_filter: dict, channels: int = 256, num_groups: int = 8
    ) -> None:
        super().__init__(channels, num_groups, attention=attention, dynamic_filter=dynamic_filter)

    def forward(self, vision: ClipMaps, text: TextFeatures) -> Tensor:
        """Ground the expressions of P pairs; return f_early, (P, T, C, h, w).

        Args:
            vision: memory at the grounding stride, with positions p_v.
            text: the P expressions.
        """
        grounded, words = self.attention(self._project(vision), text)
        response = self.dynamic_filter(grounded, words, text.padding)
        return per_frame(self.output, grounded + response)

    @torch.no_grad()
    def attention_map(self, vision: ClipMaps, text: TextFeatures) -> Tensor:
        """Return attention (P, T, h, w) of the words to the cells, summing to one over the clip."""
        return self.attention.attention_map(self._project(vision), text)


@MODELS.register_module()
class CrossModalGrounding(_Grounding):
    """The coarsest level of ReferFormer's pyramid: conv3x3(block(lateral(x))).

    It replaces :class:`EarlyGrounding` in a neck and has the same methods.

    Args:
        block: config of the :class:`VisionLanguageBlock`.
        channels: C.
        num_groups: groups of the normalizations.
    """

    def __init__(self, *, block: dict, channels: int = 256, num_groups: int = 8) -> None:
        super().__init__(channels, num_groups, block=block)

    def init_weights(self) -> None:
        """Initialize convolutions as Caffe2 does, as in ReferFormer's pixel decoder."""
        super().init_weights()
        for layer in (self.lateral, self.output):
            caffe2_xavier_init(layer.conv)

    def forward(self, vision: ClipMaps, text: TextFeatures) -> Tensor:
        """Return (P, T, C, h, w) grounded memory; see :meth:`EarlyGrounding.forward`."""
        return per_frame(self.output, self.block(self._project(vision), text))

    @torch.no_grad()
    def attention_map(self, vision: ClipMaps, text: TextFeatures) -> Tensor:
        """Return :meth:`VisionLanguageBlock.attention_map`, (P, T, h, w)."""
        return self.block.attention_map(self._project(vision), text)
