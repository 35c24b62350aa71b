"""Define DETR's encoder and decoder without the attention weights that nothing reads."""

from __future__ import annotations

from mmdet.models.layers import DetrTransformerDecoder, DetrTransformerEncoder
from torch import Tensor, nn

from r2vos_mm.registry import MODELS


class AttentionWithoutWeights(nn.MultiheadAttention):
    """Attention that does not return its weights, so that PyTorch's fused kernels can compute it.

    MMCV's wrapper requests the weights and drops them: 8 x 940 x 940 numbers per layer for each
    frame of 360 x 640 pixels.
    """

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, **options: object
    ) -> tuple[Tensor, None]:
        """Attend as PyTorch's module does, with None in place of the weights."""
        return super().forward(query, key, value, need_weights=False, **options)


def _without_weights(layers: nn.ModuleList, names: tuple[str, ...]) -> None:
    """Replace the attention inside the wrappers ``names`` of every layer."""
    for layer in layers:
        for wrapper in (getattr(layer, name) for name in names):
            wrapper.attn = AttentionWithoutWeights(
                wrapper.embed_dims, wrapper.num_heads, wrapper.attn.dropout
            )


@MODELS.register_module()
class DetrEncoderWithoutAttentionWeights(DetrTransformerEncoder):
    """``mmdet.DetrTransformerEncoder`` with the same parameters and results, in less memory."""

    def _init_layers(self) -> None:
        super()._init_layers()
        _without_weights(self.layers, ('self_attn',))


@MODELS.register_module()
class DetrDecoderWithoutAttentionWeights(DetrTransformerDecoder):
    """``mmdet.DetrTransformerDecoder`` with the same parameters and results, in less memory."""

    def _init_layers(self) -> None:
        super()._init_layers()
        _without_weights(self.layers, ('self_attn', 'cross_attn'))
