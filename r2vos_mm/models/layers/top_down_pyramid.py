"""Compute mask features from the grounded map and finer maps."""

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS


@MODELS.register_module()
class TopDownPyramid(BaseModule):
    """FPN top-down path with nearest upsampling: x <- layer(adapter(lateral) + up(x)).

    Args:
        channels: C.
        num_laterals: encoder levels finer than the grounding stride, plus the stride-4 map.
        num_groups: groups of the normalisations.
    """

    def __init__(self, channels: int = 256, *, num_laterals: int = 3, num_groups: int = 8) -> None:
        super().__init__()
        norm = dict(type='GN', num_groups=num_groups)
        self.layers = nn.ModuleList(
            ConvModule(channels, channels, 3, padding=1, norm_cfg=norm) for _ in range(num_laterals)
        )
        self.adapters = nn.ModuleList(
            ConvModule(channels, channels, 1, norm_cfg=norm, act_cfg=None)
            for _ in range(num_laterals - 1)
        )
        self.mask_features = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(
        self, early: Tensor, memory_maps: list[Tensor], finest: Tensor, *, lazy: bool = False
    ) -> Tensor:
        """Compute mask features from the grounding stride to stride 4.

        Args:
            early: (M, C, h, w) f_early, M = P*T frames.
            memory_maps: (M, C, h, w) encoder maps finer than f_early, coarsest first.
            finest: (M, C, H/4, W/4) adapted lateral of the backbone's stride-4 map.
            lazy: leave out the last convolution, ``mask_features``.

        Returns:
            Mask features (M, C, H/4, W/4).
        """
        laterals = [adapt(x) for adapt, x in zip(self.adapters, memory_maps, strict=True)]
        features = self.merge(early, [*laterals, finest])
        return features if lazy else self.mask_features(features)

    def merge(self, features: Tensor, laterals: list[Tensor]) -> Tensor:
        """Add the upsampled coarser map to each lateral.

        Args:
            features: (M, C, h, w) coarsest map.
            laterals: (M, C, h, w) finer maps, coarsest first.

        Returns:
            (M, C, H/4, W/4), the input of ``mask_features``.
        """
        for lateral, layer in zip(laterals, self.layers, strict=True):
            upsampled = F.interpolate(features, size=lateral.shape[-2:], mode='nearest')
            features = layer(lateral + upsampled)
        return features
