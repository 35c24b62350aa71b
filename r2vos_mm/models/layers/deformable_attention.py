"""Attend to a few sampled cells of several maps, with a faster core where MMCV has no kernel."""

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.ops import MultiScaleDeformableAttention, multi_scale_deform_attn
from torch import Tensor

from .recompute import recompute

Shapes = list[tuple[int, int]]


def sample_and_sum(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Sum weighted samples of several maps, one sampling point of all queries at a time.

    MMCV stacks the samples of all points before it weights and sums them. Without the stack this
    takes 0.36 of the time, 0.6 with gradients (45x80 to 6x10 cells, one thread).

    Args:
        value: (B, S, H, D), S the cells of all levels and H heads.
        shapes: per level (h, w).
        locations: (B, Q, H, levels, points, 2) x and y in [0, 1].
        weights: (B, Q, H, levels, points).

    Returns:
        (B, Q, H * D).
    """
    batch, _, heads, channels = value.shape
    grids = (2 * locations - 1).permute(3, 4, 0, 2, 1, 5).flatten(2, 3)[..., None, :]
    weights = weights.permute(3, 4, 0, 2, 1).flatten(2, 3)[..., None, :]  # levels, points, BH, 1, Q
    levels = value.permute(0, 2, 3, 1).flatten(0, 1).split([h * w for h, w in shapes], -1)
    total = value.new_zeros(())
    for cells, shape, of_level, weight in zip(levels, shapes, grids, weights, strict=True):
        image = cells.unflatten(-1, shape)  # (BH, D, h, w)
        for grid, share in zip(of_level, weight):
            samples = F.grid_sample(image, grid, align_corners=False).squeeze(-1)
            total = torch.addcmul(total, samples, share)
    return total.view(batch, heads * channels, -1).transpose(1, 2)


class DeformableAttention(MultiScaleDeformableAttention):
    """Deformable attention, batch first, that takes the sizes of the levels as Python numbers.

    Args:
        with_cp: recompute the samples in the backward pass instead of keeping them.
        args, kwargs: see MMCV's module.
    """

    def __init__(self, *args: Any, with_cp: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.with_cp = with_cp

    def forward(
        self,
        query: Tensor,
        *,
        query_pos: Tensor,
        reference_points: Tensor,
        spatial_shapes: Shapes,
        value: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """Attend from queries (B, Q, C) to some cells of ``value`` (B, S, C), or of themselves.

        See MMCV's module for the arguments; MMDetection's layers give ``options`` that have no use.
        """
        values, positioned = self.value_proj(query if value is None else value), query + query_pos
        if key_padding_mask is not None:
            values = values.masked_fill(key_padding_mask[..., None], 0.0)
        heads, points = (self.num_heads, -1), (self.num_levels, self.num_points)
        weights = self.attention_weights(positioned).unflatten(-1, heads).softmax(-1)
        offsets = self.sampling_offsets(positioned).unflatten(-1, (self.num_heads, *points, 2))
        references = reference_points[:, :, None, :, None]
        if references.shape[-1] == 2:
            sizes, _ = _layout(tuple(spatial_shapes), query.device)
            offsets = offsets / sizes.flip(1)[:, None]
        else:  # boxes
            offsets = offsets / self.num_points * references[..., 2:] * 0.5
        inputs = references[..., :2] + offsets, weights.unflatten(-1, points)
        output = self._sample(values.unflatten(-1, heads), spatial_shapes, *inputs)
        return self.dropout(self.output_proj(output)) + query

    def _sample(self, value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
        """Sum the samples with MMCV's kernel on a GPU if it is compiled; see the function."""
        if not (value.is_cuda and multi_scale_deform_attn.IS_CUDA_AVAILABLE):
            inputs = value, shapes, locations, weights
            return recompute(sample_and_sum, *inputs, when=self.with_cp)
        function = multi_scale_deform_attn.MultiScaleDeformableAttnFunction
        layout = _layout(tuple(shapes), value.device)
        return function.apply(value, *layout, locations, weights, self.im2col_step)


@lru_cache(maxsize=64)
def _layout(shapes: tuple[tuple[int, int], ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the sizes of the levels (levels, 2) and the first cell of each as tensors."""
    with torch.inference_mode(False):
        sizes = torch.tensor(shapes, device=device)
        cells = sizes.prod(1)
        return sizes, cells.cumsum(0) - cells
