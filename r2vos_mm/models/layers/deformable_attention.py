"""Attend to a few sampled cells of several maps."""

from typing import Any

from mmcv.ops import MultiScaleDeformableAttention
from torch import Tensor

from .deformable_sampling import Shapes, level_sizes, multi_scale_deformable_attention


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

        See MMCV's module for the arguments; ``options``, passed by MMDetection, are ignored.
        """
        values, positioned = self.value_proj(query if value is None else value), query + query_pos
        if key_padding_mask is not None:
            values = values.masked_fill(key_padding_mask[..., None], 0.0)
        heads, samples = (self.num_heads, -1), (self.num_levels, self.num_points)
        weights = self.attention_weights(positioned).unflatten(-1, heads).softmax(-1)
        offsets = self.sampling_offsets(positioned).unflatten(-1, heads)  # (B, Q, H, samples * 2)
        references = reference_points[..., None, :].expand(-1, -1, -1, self.num_points, -1)
        centres = references[..., :2].flatten(2)[:, :, None]
        if references.shape[-1] == 2:
            sizes, _ = level_sizes(tuple(spatial_shapes), query.device)
            offsets = offsets / sizes.flip(1).repeat_interleave(self.num_points, dim=0).flatten()
        else:  # boxes
            extents = references[..., 2:].flatten(2)[:, :, None]
            offsets = offsets / self.num_points * extents * 0.5
        locations = (centres + offsets).unflatten(-1, (*samples, 2))
        inputs = locations, weights.unflatten(-1, samples)
        values = values.unflatten(-1, heads)
        output = multi_scale_deformable_attention(
            values, spatial_shapes, *inputs, with_cp=self.with_cp
        )
        return self.dropout(self.output_proj(output)) + query
