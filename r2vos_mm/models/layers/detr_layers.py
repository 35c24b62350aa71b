"""Define MMDetection's transformers of DETR and Deformable DETR with our attention."""

from typing import Any, ClassVar

import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks.transformer import FFN, MultiheadAttention
from mmdet.models import layers as mmdet
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from r2vos_mm.registry import MODELS

from .attention import attend_few_queries
from .deformable_attention import DeformableAttention
from .recompute import recompute
from .relu_dropout import ReluDropout


class AttentionWithoutWeights(MultiheadAttention):
    """MMCV's attention, batch first, without returning attention weights, which nothing reads.

    MMCV requests the weights from PyTorch and drops them: 8 x 940 x 940 numbers per layer for each
    frame of 360 x 640 pixels. Without them PyTorch's fused kernels can compute the attention.
    """

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        query_pos: Tensor | None = None,
        key_pos: Tensor | None = None,
        attn_mask: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        **options: object,
    ) -> Tensor:
        """Attend from (B, Q, C) to (B, K, C) and add the result to the queries."""
        positioned = query if query_pos is None else query + query_pos
        key = key if key_pos is None else key + key_pos
        few = query.shape[1] < key.shape[1] and query.shape[1] * self.num_heads <= self.embed_dims
        if few and attn_mask is None:
            mixed = self._attend_few(positioned, key, value, key_padding_mask)
        else:
            inputs = (x.transpose(0, 1) for x in (positioned, key, value))
            masks = dict(key_padding_mask=key_padding_mask, attn_mask=attn_mask)
            mixed = self.attn(*inputs, need_weights=False, **masks)[0].transpose(0, 1)
        return query + self.dropout_layer(self.proj_drop(mixed))

    def _attend_few(
        self, query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None
    ) -> Tensor:
        weights, biases = self.attn.in_proj_weight.chunk(3), self.attn.in_proj_bias.chunk(3)
        mixed = attend_few_queries(
            F.linear(query, weights[0], biases[0]),
            [(key, weights[1])],
            biases[1],
            (value, weights[2], biases[2]),
            num_heads=self.num_heads,
            key_padding=padding,
            dropout=self.attn.dropout if self.training else 0.0,
        )
        return self.attn.out_proj(mixed)


class FeedForward(FFN):
    """MMCV's feed-forward network with ReLU and dropout in one step, see :class:`ReluDropout`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for hidden in self.layers[:-2]:
            if isinstance(hidden[1], nn.ReLU):
                hidden[1], hidden[2] = ReluDropout(hidden[2].p), nn.Identity()


class _OwnAttention(BaseModule):
    """Base of MMDetection's layers that builds the attention classes of ``attention``.

    With ``with_cp`` the layer is recomputed in the backward pass to save memory.
    """

    attention: ClassVar[dict[str, type]]
    with_cp = False

    def _init_layers(self) -> None:
        for name, kind in self.attention.items():
            setattr(self, name, kind(**getattr(self, f'{name}_cfg')))
        self.embed_dims = self.self_attn.embed_dims
        self.ffn = FeedForward(**self.ffn_cfg)
        norms = range(len(self.attention) + 1)
        self.norms = ModuleList(build_norm_layer(self.norm_cfg, self.embed_dims)[1] for _ in norms)

    def forward(self, *inputs: Tensor | None, **named: object) -> Tensor:
        return recompute(super().forward, *inputs, when=self.with_cp, **named)


class _DetrEncoderLayer(_OwnAttention, mmdet.DetrTransformerEncoderLayer):
    attention: ClassVar = dict(self_attn=AttentionWithoutWeights)


class _DetrDecoderLayer(_OwnAttention, mmdet.DetrTransformerDecoderLayer):
    attention: ClassVar = dict(
        self_attn=AttentionWithoutWeights, cross_attn=AttentionWithoutWeights
    )


class _DeformableEncoderLayer(_OwnAttention, mmdet.DeformableDetrTransformerEncoderLayer):
    attention: ClassVar = dict(self_attn=DeformableAttention)


class _DeformableDecoderLayer(_OwnAttention, mmdet.DeformableDetrTransformerDecoderLayer):
    attention: ClassVar = dict(self_attn=AttentionWithoutWeights, cross_attn=DeformableAttention)


class _OwnLayers(BaseModule):
    """Base of MMDetection's transformers that builds layers of the class ``layer``.

    The first ``num_cp`` layers of an encoder are recomputed, by PyTorch instead of fairscale.
    """

    layer: ClassVar[type]

    def _init_layers(self) -> None:
        layers = range(self.num_layers)
        self.layers = ModuleList(self.layer(**self.layer_cfg) for _ in layers)
        self.embed_dims = self.layers[0].embed_dims
        for layer in self.layers[: max(getattr(self, 'num_cp', 0), 0)]:
            layer.with_cp = True
            if isinstance(layer.self_attn, DeformableAttention):
                layer.self_attn.with_cp = True  # less memory within the layer, too


@MODELS.register_module()
class DetrEncoderWithoutAttentionWeights(_OwnLayers, mmdet.DetrTransformerEncoder):
    """``mmdet.DetrTransformerEncoder`` with the same parameters and results, in less memory."""

    layer: ClassVar = _DetrEncoderLayer


@MODELS.register_module()
class DetrDecoderWithoutAttentionWeights(_OwnLayers, mmdet.DetrTransformerDecoder):
    """``mmdet.DetrTransformerDecoder`` with the same parameters and results, in less memory."""

    layer: ClassVar = _DetrDecoderLayer

    def _init_layers(self) -> None:
        super()._init_layers()
        self.post_norm = build_norm_layer(self.post_norm_cfg, self.embed_dims)[1]


@MODELS.register_module()
class DeformableDetrTransformerEncoder(_OwnLayers, mmdet.DeformableDetrTransformerEncoder):
    """``mmdet.DeformableDetrTransformerEncoder`` with :class:`DeformableAttention`."""

    layer: ClassVar = _DeformableEncoderLayer


@MODELS.register_module()
class DeformableDetrTransformerDecoder(_OwnLayers, mmdet.DeformableDetrTransformerDecoder):
    """``mmdet.DeformableDetrTransformerDecoder`` with :class:`DeformableAttention`."""

    layer: ClassVar = _DeformableDecoderLayer
