"""Subsample label maps, for the pre-training of backbones."""

from __future__ import annotations

from mmcv.transforms import BaseTransform

from r2vos_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SubsampleSegMap(BaseTransform):
    """Keep one label of every ``stride`` x ``stride`` block of ``gt_seg_map``, the middle one.

    A segmentation head of MMSegmentation enlarges its logits to the size of the labels before the
    loss. With a hundred classes that costs more than the backbone; subsampled labels lose nothing
    that logits of a coarser stride could show.

    Required and modified key: ``gt_seg_map``, (H, W) to (H/stride, W/stride).

    Args:
        stride: pixels between two labels.

    Raises:
        ValueError: ``stride`` is below 1.
    """

    def __init__(self, *, stride: int) -> None:
        if stride < 1:
            raise ValueError(f'stride must be at least 1, got {stride}')
        self.stride = stride

    def transform(self, results: dict) -> dict:
        """Subsample ``gt_seg_map``."""
        middle = self.stride // 2
        results['gt_seg_map'] = results['gt_seg_map'][middle :: self.stride, middle :: self.stride]
        return results
