"""Vision that attends to itself and to the words, at any level of a pyramid (ReferFormer)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, ModuleList, caffe2_xavier_init
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import TextFeatures

from .attention import MultiheadAttention
from .fpn import TopDownPyramid
from .grounding import ResidualFFN
from .positions import word_positions
from .tokens import per_frame, to_maps, to_tokens


@MODELS.register_module()
class VisionLanguageBlock(BaseModule):
    """v <- LN(v + SA(v)) over all frames; v <- LN(v + CA(v, words)); v <- LN(v + FFN(v)).

    ReferFormer (cross-modal feature pyramid). The self-attention sees the clip on a grid
    ``reduction`` times coarser in both axes: its queries, keys and values are picked by nearest
    neighbour, its result is resized back bilinearly. The attention to the words is at full
    resolution.

    Args:
        channels: C.
        num_heads: heads of both attentions.
        hidden: width of the feed-forward network.
        dropout: dropout on every residual update.
        reduction: how much coarser the grid of the self-attention is; its size is rounded down,
            to one cell at least.
    """

    def __init__(
        self,
        channels: int = 256,
        num_heads: int = 8,
        hidden: int = 2048,
        dropout: float = 0.1,
        reduction: int = 1,
    ) -> None:
        super().__init__()
        if reduction < 1:
            raise ValueError(f'VisionLanguageBlock: reduction must be at least 1, got {reduction}')
        self.reduction = reduction
        self.vision_attention = MultiheadAttention(channels, num_heads)
        self.vision_dropout = nn.Dropout(dropout)
        self.vision_norm = nn.LayerNorm(channels)
        self.text_attention = MultiheadAttention(channels, num_heads)
        self.tail = ResidualFFN(channels, hidden, dropout)

    def init_weights(self) -> None:
        """Xavier-uniform weights of all projections."""
        super().init_weights()
        for layer in self.tail.ffn:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)

    def forward(
        self, vision: Tensor, position: Tensor, padding: Tensor, text: TextFeatures
    ) -> Tensor:
        """Both attentions.

        Args:
            vision: (P, T, C, h, w).
            position: (P, T, C, h, w) positions of the cells.
            padding: (P, T, h, w) bool, True in padded cells.
            text: the P sentences.

        Returns:
            (P, T, C, h, w).
        """
        return self.attend_text(self.attend_vision(vision, position, padding), position, text)

    def attend_vision(self, vision: Tensor, position: Tensor, padding: Tensor) -> Tensor:
        """The first step, which sees no text; shapes as for :meth:`forward`."""
        size = [max(cells // self.reduction, 1) for cells in vision.shape[-2:]]
        coarse = _resize(vision, size, mode='nearest')
        positioned = to_tokens(coarse + _resize(position, size, mode='nearest'))
        key_padding = F.interpolate(padding.float(), size=size, mode='nearest').bool()
        update = to_maps(
            self.vision_attention(
                positioned, positioned, to_tokens(coarse), key_padding=key_padding.flatten(1)
            ),
            coarse.shape,
        )
        update = _resize(update, list(vision.shape[-2:]), mode='bilinear')
        tokens = to_tokens(vision) + self.vision_dropout(to_tokens(update))
        return to_maps(self.vision_norm(tokens), vision.shape)

    def attend_text(self, vision: Tensor, position: Tensor, text: TextFeatures) -> Tensor:
        """The steps after the first; shapes as for :meth:`forward`."""
        tokens, words = to_tokens(vision), text.words
        update = self.text_attention(
            tokens + to_tokens(position),
            words + word_positions(text.padding, words.shape[-1]),
            words,
            key_padding=text.padding,
        )
        return to_maps(self.tail(tokens, update), vision.shape)

    @torch.no_grad()
    def attention_map(
        self, vision: Tensor, position: Tensor, padding: Tensor, text: TextFeatures
    ) -> Tensor:
        """(P, T, h, w) where the words are looked for, summing to one over the clip.

        Cells attend to words here, not words to cells: the same products of queries and keys are
        normalised over the cells for each word and head, and averaged over both.
        """
        attention, heads = self.text_attention, self.text_attention.num_heads
        cells = to_tokens(self.attend_vision(vision, position, padding)) + to_tokens(position)
        words = text.words + word_positions(text.padding, text.words.shape[-1])
        queries, keys = (
            projected.unflatten(-1, (heads, -1))
            for projected in (attention.query_proj(cells), attention.key_proj(words))
        )
        logits = torch.einsum('pshc,plhc->phls', queries, keys) * keys.shape[-1] ** -0.5
        weights = logits.masked_fill(padding.flatten(1)[:, None, None], float('-inf')).softmax(-1)
        real = (~text.padding).to(weights.dtype)[..., None]
        return ((weights.mean(1) * real).sum(1) / real.sum(1)).unflatten(1, padding.shape[1:])


@MODELS.register_module()
class CrossModalGrounding(BaseModule):
    """The coarsest level of ReferFormer's pyramid: conv3x3(block(lateral(x))).

    Takes the place of :class:`EarlyGrounding` in a neck.

    Args:
        block: config of the :class:`VisionLanguageBlock`.
        channels: C.
        num_groups: groups of the normalisations.
    """

    def __init__(self, block: dict, channels: int = 256, num_groups: int = 8) -> None:
        super().__init__()
        norm = dict(type='GN', num_groups=num_groups)
        self.lateral = ConvModule(channels, channels, 1, norm_cfg=norm, act_cfg=None)
        self.block = MODELS.build(block)
        self.output = ConvModule(channels, channels, 3, padding=1, norm_cfg=norm)

    def init_weights(self) -> None:
        """Convolutions as in ReferFormer's pixel decoder."""
        super().init_weights()
        init_convolutions(self.lateral, self.output)

    def forward(
        self, vision: Tensor, position: Tensor, padding: Tensor, text: TextFeatures
    ) -> Tensor:
        """As :meth:`EarlyGrounding.forward`: (P, T, C, h, w) memory and text -> (P, T, C, h, w)."""
        mixed = self.block(per_frame(self.lateral, vision), position, padding, text)
        return per_frame(self.output, mixed)

    @torch.no_grad()
    def attention_map(
        self, vision: Tensor, position: Tensor, padding: Tensor, text: TextFeatures
    ) -> Tensor:
        """(P, T, h, w), see :meth:`VisionLanguageBlock.attention_map`."""
        return self.block.attention_map(per_frame(self.lateral, vision), position, padding, text)


@MODELS.register_module()
class CrossModalPyramid(TopDownPyramid):
    """The way up from the coarsest level with the text at every level (ReferFormer).

    Each lateral goes through a block of its own before it is added to what comes from above.

    Args:
        block: config of the :class:`VisionLanguageBlock` of every level, without ``reduction``.
        reductions: the blocks' reductions, coarsest level first, stride 4 last.
        channels: C.
        num_groups: groups of the normalisations.
    """

    def __init__(
        self,
        block: dict,
        reductions: tuple[int, ...] = (2, 4, 8),
        channels: int = 256,
        num_groups: int = 8,
    ) -> None:
        super().__init__(channels, num_laterals=len(reductions), num_groups=num_groups)
        self.blocks = ModuleList(
            MODELS.build(dict(block, reduction=reduction)) for reduction in reductions
        )

    def init_weights(self) -> None:
        """Convolutions as in ReferFormer's pixel decoder."""
        super().init_weights()
        init_convolutions(*self.adapters, *self.layers)
        caffe2_xavier_init(self.mask_features)

    def forward(
        self,
        early: Tensor,
        levels: list[tuple[Tensor, Tensor, Tensor]],
        finest: Tensor,
        finest_position: Tensor,
        text: TextFeatures,
    ) -> Tensor:
        """From the grounding stride to stride 4.

        Args:
            early: (P, T, C, h, w) grounded coarsest level.
            levels: per encoder level finer than ``early``, coarsest first: memory map and
                positions, both (P, T, C, h, w), and padding (P, T, h, w).
            finest: (P, T, C, H/4, W/4) stride-4 lateral after the first step of the last block.
            finest_position: (P, T, C, H/4, W/4).
            text: the P sentences.

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
        return features.unflatten(0, early.shape[:2])


def init_convolutions(*modules: ConvModule) -> None:
    """Uniform weights scaled by the number of inputs only, as Caffe2's Xavier filling."""
    for module in modules:
        caffe2_xavier_init(module.conv)


def _resize(maps: Tensor, size: list[int], *, mode: str) -> Tensor:
    """(P, T, C, h, w) to another (h, w)."""
    if list(maps.shape[-2:]) == size:
        return maps
    return F.interpolate(maps.flatten(0, 1), size=size, mode=mode).unflatten(0, maps.shape[:2])
