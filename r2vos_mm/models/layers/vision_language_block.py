"""Let a map attend to itself and to the words (ReferFormer)."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import TextFeatures

from .attention import MultiheadAttention
from .maps import resize_padding, to_maps, to_tokens
from .positions import word_positions
from .residual_ffn import ResidualFFN


@MODELS.register_module()
class VisionLanguageBlock(BaseModule):
    """v <- LN(v + SA(v)) over all frames; v <- LN(v + CA(v, words)); v <- LN(v + FFN(v)).

    ReferFormer (cross-modal feature pyramid). The self-attention sees the clip on a grid
    ``reduction`` times coarser in both axes: its queries, keys and values are sampled by nearest
    neighbour, its result is resized back bilinearly. The attention to the words has full
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
        *,
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
        """Draw Xavier-uniform weights of all projections."""
        super().init_weights()
        for layer in self.tail.ffn:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)

    def forward(
        self, vision: Tensor, position: Tensor, padding: Tensor | None, text: TextFeatures
    ) -> Tensor:
        """Apply both attentions.

        Args:
            vision: (P, T, C, h, w).
            position: (P, T, C, h, w) positions of the cells.
            padding: (P, T, h, w) bool, True in padded cells; None if there are none.
            text: the P expressions.

        Returns:
            (P, T, C, h, w).
        """
        return self.attend_text(self.attend_vision(vision, position, padding), position, text)

    def attend_vision(self, vision: Tensor, position: Tensor, padding: Tensor | None) -> Tensor:
        """Apply the first step, which sees no text; shapes as for :meth:`forward`."""
        size = [max(cells // self.reduction, 1) for cells in vision.shape[-2:]]
        coarse = _resize(vision, size, mode='nearest')
        positioned = to_tokens(coarse + _resize(position, size, mode='nearest'))
        if padding is not None:
            padding = resize_padding(padding, size).flatten(1)
        update = self.vision_attention(
            positioned, positioned, to_tokens(coarse), key_padding=padding
        )
        update = to_maps(update, coarse.shape)
        update = _resize(update, list(vision.shape[-2:]), mode='bilinear')
        tokens = to_tokens(vision) + self.vision_dropout(to_tokens(update))
        return to_maps(self.vision_norm(tokens), vision.shape)

    def attend_text(self, vision: Tensor, position: Tensor, text: TextFeatures) -> Tensor:
        """Apply the steps after the first; shapes as for :meth:`forward`."""
        tokens, words = to_tokens(vision), text.words
        update = self.text_attention(
            tokens + to_tokens(position),
            words + word_positions(text.padding, words.shape[-1]),
            words,
            key_padding=text.key_padding,
        )
        return to_maps(self.tail(tokens, update), vision.shape)

    @torch.no_grad()
    def attention_map(
        self, vision: Tensor, position: Tensor, padding: Tensor | None, text: TextFeatures
    ) -> Tensor:
        """(P, T, h, w) attention between words and cells, summing to one over the clip.

        In this block cells attend to words. The same products of queries and keys are normalised
        over the cells for each word and head, then averaged over both.
        """
        attention, heads = self.text_attention, self.text_attention.num_heads
        cells = to_tokens(self.attend_vision(vision, position, padding)) + to_tokens(position)
        words = text.words + word_positions(text.padding, text.words.shape[-1])
        queries, keys = (
            projected.unflatten(-1, (heads, -1))
            for projected in (attention.query_proj(cells), attention.key_proj(words))
        )
        logits = torch.einsum('pshc,plhc->phls', queries, keys) * keys.shape[-1] ** -0.5
        if padding is not None:
            logits = logits.masked_fill(padding.flatten(1)[:, None, None], float('-inf'))
        weights = text.average(logits.softmax(-1).mean(1))
        return weights.unflatten(1, (vision.shape[1], *vision.shape[-2:]))


def _resize(maps: Tensor, size: list[int], *, mode: str) -> Tensor:
    """Resize (P, T, C, h, w) to another (h, w)."""
    if list(maps.shape[-2:]) == size:
        return maps
    return F.interpolate(maps.flatten(0, 1), size=size, mode=mode).unflatten(0, maps.shape[:2])
