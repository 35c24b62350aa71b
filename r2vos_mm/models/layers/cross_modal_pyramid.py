"""Mix text into every level of the pyramid (ReferFormer's pixel decoder)."""

from mmengine.model import ModuleList, caffe2_xavier_init
from torch import Tensor

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import TextFeatures

from .initialization import caffe2_convolutions
from .maps import per_frame
from .top_down_pyramid import TopDownPyramid


@MODELS.register_module()
class CrossModalPyramid(TopDownPyramid):
    """Top-down path with text at every level (ReferFormer).

    Each lateral passes through its own block before it is added to the upsampled coarser map.

    Args:
        block: config of the :class:`VisionLanguageBlock` of every level, without ``reduction``.
        reductions: the blocks' reductions, coarsest level first, stride 4 last.
        channels: C.
        num_groups: groups of the normalisations.
    """

    def __init__(
        self,
        *,
        block: dict,
        reductions: tuple[int, ...] = (2, 4, 8),
        channels: int = 256,
        num_groups: int = 8,
    ) -> None:
        super().__init__(channels=channels, num_laterals=len(reductions), num_groups=num_groups)
        self.blocks = ModuleList(
            MODELS.build(dict(block, reduction=reduction)) for reduction in reductions
        )

    def init_weights(self) -> None:
        """Initialise convolutions as in ReferFormer's pixel decoder."""
        super().init_weights()
        caffe2_convolutions(*self.adapters, *self.layers)
        caffe2_xavier_init(self.mask_features)

    def forward(
        self,
        early: Tensor,
        levels: list[tuple[Tensor, Tensor, Tensor | None]],
        finest: Tensor,
        finest_position: Tensor,
        text: TextFeatures,
        *,
        lazy: bool = False,
    ) -> Tensor:
        """Compute mask features from the grounding stride to stride 4.

        Args:
            early: (P, T, C, h, w) grounded coarsest level.
            levels: per encoder level finer than ``early``, coarsest first: memory map and
                positions, both (P, T, C, h, w), and padding (P, T, h, w) or None.
            finest: (P, T, C, H/4, W/4) stride-4 lateral after the first step of the last block.
            finest_position: (P, T, C, H/4, W/4).
            text: the P expressions.
            lazy: leave out the last convolution, ``mask_features``.

        Returns:
            Mask features (P, T, C, H/4, W/4).
        """
        *blocks, last = self.blocks
        laterals = [
            block(per_frame(adapt, memory), position, padding, text)
            for adapt, block, (memory, position, padding) in zip(
                self.adapters, blocks, levels, strict=True
            )
        ]
        laterals.append(last.attend_text(finest, finest_position, text))
        features = self.merge(early.flatten(0, 1), [x.flatten(0, 1) for x in laterals])
        if not lazy:
            features = self.mask_features(features)
        return features.unflatten(0, early.shape[:2])
