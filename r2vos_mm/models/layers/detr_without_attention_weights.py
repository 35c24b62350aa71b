"""Define DETR's encoder and decoder without the attention weights that nothing reads."""

import torch.nn.functional as F
from mmdet.models.layers import DetrTransformerDecoder, DetrTransformerEncoder
from torch import Tensor, nn

from r2vos_mm.registry import MODELS

from .attention import attend_few_queries


class AttentionWithoutWeights(nn.MultiheadAttention):
    """Attention that does not return its weights, so that PyTorch's fused kernels can compute it.

    MMCV's wrapper requests the weights and drops them: 8 x 940 x 940 numbers per layer for each
    frame of 360 x 640 pixels.
    """

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        key_padding_mask: Tensor | None = None,
        **options: object,
    ) -> tuple[Tensor, None]:
        """Attend as PyTorch's module does, with None in place of the weights."""
        few = len(query) < len(key) and len(query) * self.num_heads <= self.embed_dim
        if not few or options.get('attn_mask') is not None:
            return super().forward(
                query, key, value, key_padding_mask=key_padding_mask, need_weights=False, **options
            )
        query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        mixed = attend_few_queries(
            F.linear(query, weights[0], biases[0]),
            [(key, weights[1])],
            biases[1],
            value,
            weights[2],
            biases[2],
            num_heads=self.num_heads,
            key_padding=key_padding_mask,
            dropout=self.dropout if self.training else 0.0,
        )
        return self.out_proj(mixed).transpose(0, 1), None


def _without_weights(layers: nn.ModuleList, names: tuple[str, ...]) -> None:
    """Turn the attention inside the wrappers ``names`` of every layer into one without weights.

    The class is changed in place, because a new module would draw random numbers.
    """
    for layer in layers:
        for name in names:
            getattr(layer, name).attn.__class__ = AttentionWithoutWeights


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
