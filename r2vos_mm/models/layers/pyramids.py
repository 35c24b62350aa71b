"""Compute mask features from the grounded or encoded map and finer maps, top down."""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, ModuleList, caffe2_xavier_init
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import ClipMaps, TextFeatures

from .convolved_maps import ConvolvedMaps
from .maps import per_frame
from .recompute import recompute


def convolve_upsampled(maps: Tensor, weight: Tensor) -> Tensor:
    """Convolve maps as if upsampled twofold by nearest neighbour, without upsampling them.

    A 3x3 window of the upsampled map covers 2x2 different cells, so that each of four neighbouring
    outputs is a 2x2 convolution: 4 products per output and pair of channels instead of 9.

    Args:
        maps: (M, C, h, w).
        weight: (C', C, 3, 3), of a convolution with padding 1.

    Returns:
        (M, C', 2h, 2w).
    """
    # Rows of the window by the cell they fall on, for even and odd rows of the output.
    cells = weight.new_tensor([[[1, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]])
    kernels = torch.einsum('aip,ocpq,bjq->abocij', cells, weight, cells)
    height, width = maps.shape[-2:]
    windows = F.conv2d(F.pad(maps, (1, 1, 1, 1)), kernels.flatten(0, 2)).unflatten(1, (2, 2, -1))
    rows = [
        torch.stack([windows[:, a, b, :, a : a + height, b : b + width] for b in (0, 1)], dim=-1)
        for a in (0, 1)
    ]
    return torch.stack(rows, dim=3).flatten(4, 5).flatten(2, 3)


def top_down(
    features: Tensor,
    laterals: Sequence[Tensor],
    layers: Iterable[nn.Module],
    *,
    with_cp: bool = False,
) -> Tensor:
    """Apply x <- layer(lateral + up(x)) with nearest upsampling.

    From the coarsest map (M, C, h, w) through laterals (M, C_i, h_i, w_i), coarsest first;
    ``with_cp`` recomputes the steps in the backward pass.
    """

    def step(features: Tensor, lateral: Tensor, layer: nn.Module) -> Tensor:
        return layer(lateral + F.interpolate(features, lateral.shape[-2:], mode='nearest'))

    for lateral, layer in zip(laterals, layers, strict=True):
        features = recompute(step, features, lateral, layer, when=with_cp)
    return features


@MODELS.register_module()
class TopDownPyramid(BaseModule):
    """FPN top-down path with nearest upsampling: x <- layer(adapter(lateral) + up(x)).

    Args:
        channels: C.
        num_laterals: encoder levels finer than the grounding stride, plus the stride-4 map.
        num_groups: groups of the normalizations.
        with_cp: recompute the steps in the backward pass to save memory.
    """

    def __init__(
        self,
        channels: int = 256,
        *,
        num_laterals: int = 3,
        num_groups: int = 8,
        with_cp: bool = False,
    ) -> None:
        super().__init__()
        self.with_cp = with_cp
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
        self,
        early: Tensor,
        memory_maps: list[Tensor],
        finest: Tensor,
        *,
        finest_is_convolved: bool = False,
    ) -> ConvolvedMaps:
        """Return mask features (P, T, C, H/4, W/4), their last convolution not computed yet.

        Args:
            early: (P, T, C, h, w) f_early.
            memory_maps: (P, T, C, h, w) encoder maps finer than f_early, coarsest first.
            finest: (P, T, C, H/4, W/4) adapted lateral of the backbone's stride-4 map.
            finest_is_convolved: whether ``finest`` is a result of :meth:`share`.
        """
        maps = zip(self.adapters, memory_maps, strict=True)
        laterals = [*(per_frame(adapt, x) for adapt, x in maps), finest]
        return self.merge(early, laterals, finest_is_convolved=finest_is_convolved)

    def share(self, finest: Tensor) -> Tensor:
        """Compute what all expressions of a clip share in the last layer: conv(lateral).

        The convolution of lateral + up(x) is the sum of both convolutions, and that of up(x) needs
        4/9 of the products, see :func:`convolve_upsampled`. This pays from two expressions on.
        """
        return per_frame(self.layers[-1].conv, finest)

    def merge(
        self, early: Tensor, laterals: list[Tensor], *, finest_is_convolved: bool = False
    ) -> ConvolvedMaps:
        """Go down from ``early`` through the laterals, all (P, T, C, h, w), coarsest first."""
        *coarser, finest = (lateral.flatten(0, 1) for lateral in laterals)
        *layers, last = self.layers
        features = top_down(early.flatten(0, 1), coarser, layers, with_cp=self.with_cp)
        if finest_is_convolved:
            features = finest + convolve_upsampled(features, last.conv.weight)
            features = last.activate(last.norm(features))
        else:
            features = top_down(features, [finest], [last], with_cp=self.with_cp)
        return ConvolvedMaps(features.unflatten(0, early.shape[:2]), self.mask_features)


@MODELS.register_module()
class CrossModalPyramid(TopDownPyramid):
    """Top-down path with text at every level (ReferFormer).

    Each lateral passes through its own block before it is added to the upsampled coarser map.

    Args:
        block: config of the :class:`VisionLanguageBlock` of every level, without ``reduction``.
        reductions: the blocks' reductions, coarsest level first, stride 4 last.
        options: other arguments of :class:`TopDownPyramid`.
    """

    def __init__(
        self, *, block: dict, reductions: tuple[int, ...] = (2, 4, 8), **options: int
    ) -> None:
        super().__init__(num_laterals=len(reductions), **options)
        self.blocks = ModuleList(
            MODELS.build(dict(block, reduction=reduction)) for reduction in reductions
        )

    def init_weights(self) -> None:
        """Initialize convolutions as Caffe2 does, as in ReferFormer's pixel decoder."""
        super().init_weights()
        convolutions = (layer.conv for layer in (*self.adapters, *self.layers))
        for convolution in (*convolutions, self.mask_features):
            caffe2_xavier_init(convolution)

    def forward(
        self,
        early: Tensor,
        levels: list[ClipMaps],
        finest: Tensor,
        finest_position: Tensor,
        text: TextFeatures,
    ) -> ConvolvedMaps:
        """Return mask features as :meth:`TopDownPyramid.forward`.

        Args:
            early: (P, T, C, h, w) grounded coarsest level.
            levels: encoder levels finer than ``early``, coarsest first.
            finest: (P, T, C, H/4, W/4) stride-4 lateral after the first step of the last block.
            finest_position: (P, T, C, H/4, W/4).
            text: the P expressions.
        """
        *blocks, last = self.blocks
        laterals = [
            block(ClipMaps(per_frame(adapt, level.cells), level.position, level.padding), text)
            for adapt, block, level in zip(self.adapters, blocks, levels, strict=True)
        ]
        laterals.append(last.attend_text(finest, finest_position, text))
        return self.merge(early, laterals)


@MODELS.register_module()
class SpatialDecoder(BaseModule):
    """Top-down path that halves its channels (MTTR, Sec. 3.4: FPN-like spatial decoder).

    3x3 convolutions with group norm and ReLU, of C, C/2, C/4, C/8, M channels for two laterals.

    Args:
        lateral_channels: channels of the backbone maps that are added, coarsest first.
        channels: C of the encoded map.
        mask_channels: M of the mask features.
        num_groups: groups of the normalizations.
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
        """Draw Kaiming-uniform weights (a = 1), as Caffe2 does, and set biases to zero."""
        super().init_weights()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                caffe2_xavier_init(module)

    def adapt(self, maps: list[Tensor]) -> list[Tensor]:
        """Return text-independent laterals (M, C_i, h_i, w_i) of backbone maps, coarsest first."""
        return [adapt(x) for adapt, x in zip(self.adapters, maps, strict=True)]

    def forward(self, encoded: Tensor, laterals: list[Tensor]) -> Tensor:
        """Decode an encoded map (M, C, h, w) with the laterals of :meth:`adapt`.

        Returns (M, mask_channels, h', w').
        """
        features = self.layers[1](self.layers[0](encoded))
        return self.mask_features(top_down(features, laterals, self.layers[2:]))
