"""Ground the expression in the coarsest level of ReferFormer's pixel decoder."""

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import TextFeatures

from .initialization import caffe2_convolutions
from .maps import per_frame


@MODELS.register_module()
class CrossModalGrounding(BaseModule):
    """The coarsest level of ReferFormer's pyramid: conv3x3(block(lateral(x))).

    It replaces :class:`EarlyGrounding` in a neck.

    Args:
        block: config of the :class:`VisionLanguageBlock`.
        channels: C.
        num_groups: groups of the normalisations.
    """

    def __init__(self, *, block: dict, channels: int = 256, num_groups: int = 8) -> None:
        super().__init__()
        norm = dict(type='GN', num_groups=num_groups)
        self.lateral = ConvModule(channels, channels, 1, norm_cfg=norm, act_cfg=None)
        self.block = MODELS.build(block)
        self.output = ConvModule(channels, channels, 3, padding=1, norm_cfg=norm)

    def init_weights(self) -> None:
        """Initialise convolutions as in ReferFormer's pixel decoder."""
        super().init_weights()
        caffe2_convolutions(self.lateral, self.output)

    def forward(
        self, vision: Tensor, position: Tensor, padding: Tensor | None, text: TextFeatures
    ) -> Tensor:
        """Return (P, T, C, h, w) grounded memory; see :meth:`EarlyGrounding.forward`."""
        mixed = self.block(per_frame(self.lateral, vision), position, padding, text)
        return per_frame(self.output, mixed)

    @torch.no_grad()
    def attention_map(
        self, vision: Tensor, position: Tensor, padding: Tensor | None, text: TextFeatures
    ) -> Tensor:
        """(P, T, h, w), see :meth:`VisionLanguageBlock.attention_map`."""
        return self.block.attention_map(per_frame(self.lateral, vision), position, padding, text)
