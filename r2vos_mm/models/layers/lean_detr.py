"""DETR's encoder and decoder without attention maps on the side."""

from __future__ import annotations

from mmdet.models.layers import DetrTransformerDecoder, DetrTransformerEncoder
from torch import Tensor, nn

from r2vos_mm.registry import MODELS


class LeanAttention(nn.MultiheadAttention):
    """Attention that keeps its weights to itself, so that PyTorch's fused kernel may compute it.

    MMCV's wrapper asks for the weights and drops them: for each frame of 360 x 640 pixels these
    are 8 x 940 x 940 numbers per layer.
    """

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, **options: object
    ) -> tuple[Tensor, None]:
        """As PyTorch's, with None in place of the weights."""
        return super().forward(query, key, value, need_weights=False, **options)


def _without_weights(layers: nn.ModuleList, names: tuple[str, ...]) -> None:
    """Put a :class:`LeanAttention` in the wrappers ``names`` of every layer."""
    for layer in layers:
        for wrapper in (getattr(layer, name) for name in names):
            wrapper.attn = LeanAttention(
                wrapper.embed_dims, wrapper.num_heads, wrapper.attn.dropout
            )


@MODELS.register_module()
class LeanDetrEncoder(DetrTransformerEncoder):
    """``mmdet.DetrTransformerEncoder``, same parameters and results, less memory."""

    def _init_layers(self) -> None:
        super()._init_layers()
        _without_weights(self.layers, ('self_attn',))


@MODELS.register_module()
class LeanDetrDecoder(DetrTransformerDecoder):
    """``mmdet.DetrTransformerDecoder``, same parameters and results, less memory."""

    def _init_layers(self) -> None:
        super()._init_layers()
        _without_weights(self.layers, ('self_attn', 'cross_attn'))
