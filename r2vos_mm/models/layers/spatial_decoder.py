"""Compute mask features from the encoded map, halving the channels at every step."""

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS


@MODELS.register_module()
class SpatialDecoder(BaseModule):
    """Top-down path that halves its channels (MTTR, Sec. 3.4: FPN-like spatial decoder).

    x <- layer(up(x) + adapter(lateral)), each layer a 3x3 convolution with group norm and ReLU, up
    by nearest neighbour. With C channels and two laterals they run C, C/2, C/4, C/8, M.

    Args:
        lateral_channels: channels of the backbone maps that are added, coarsest first.
        channels: C of the encoded map.
        mask_channels: M of the mask features.
        num_groups: groups of the normalisations.
    """

    def __init__(
        self,
        *,
        lateral_channels: list[int],
        channels: int = 256,
        mask_channels: int = 8,
        num_groups: int = 8,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        widths = [channels // 2**step for step in range(len(lateral_channels) + 2)]
        norm = dict(type='GN', num_groups=num_groups)
        self.layers = nn.ModuleList(
            ConvModule(narrow, out, 3, padding=1, bias=True, norm_cfg=norm)
            for narrow, out in zip([channels, *widths[:-1]], widths)
        )
        self.adapters = nn.ModuleList(
            nn.Conv2d(lateral, width, 1) for lateral, width in zip(lateral_channels, widths[1:])
        )
        self.mask_features = nn.Conv2d(widths[-1], mask_channels, 3, padding=1)

    def init_weights(self) -> None:
        """Draw Kaiming-uniform weights (a = 1) and set biases to zero."""
        super().init_weights()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                nn.init.zeros_(module.bias)

    def adapt(self, maps: list[Tensor]) -> list[Tensor]:
        """Return text-independent laterals (M, C_i, h_i, w_i) of backbone maps, coarsest first."""
        return [adapt(x) for adapt, x in zip(self.adapters, maps, strict=True)]

    def forward(self, encoded: Tensor, laterals: list[Tensor]) -> Tensor:
        """(M, C, h, w) encoded map and :meth:`adapt`'s laterals -> (M, mask_channels, h', w')."""
        first, second, *others = self.layers
        features = second(first(encoded))
        for lateral, layer in zip(laterals, others, strict=True):
            upsampled = F.interpolate(features, size=lateral.shape[-2:], mode='nearest')
            features = layer(lateral + upsampled)
        return self.mask_features(features)
