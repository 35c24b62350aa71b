"""Let the cells of a clip and the words of an expression attend to each other."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import ClipMaps, TextFeatures

from .attention import MultiheadAttention, attend_few_queries
from .maps import flatten_padding, resize_padding, to_maps, to_tokens
from .positions import word_positions
from .relu_dropout import ReluDropout


class ResidualFFN(nn.Module):
    """Tail of a post-norm transformer layer: x -> LN(x + update) -> LN(. + FFN(.))."""

    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.update_dropout = nn.Dropout(dropout)
        self.update_norm = nn.LayerNorm(channels)
        self.ffn = nn.Sequential(
            nn.Linear(channels, hidden),
            ReluDropout(dropout),
            nn.Identity(),  # keeps the numbers of layers in checkpoints, which had dropout here
            nn.Linear(hidden, channels),
            nn.Dropout(dropout),
        )
        self.ffn_norm = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, update: Tensor) -> Tensor:
        """Add an update to tokens, both (..., C), and apply the network."""
        tokens = self.update_norm(tokens + self.update_dropout(update))
        return self.ffn_norm(tokens + self.ffn(tokens))


class ClipAttention(BaseModule):
    """Base of blocks that start with v <- LN(v + SA(v + p_v)) over the cells of all frames."""

    reduction = 1

    def __init__(self, channels: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.vision_attention = MultiheadAttention(channels, num_heads)
        self.vision_dropout = nn.Dropout(dropout)
        self.vision_norm = nn.LayerNorm(channels)

    def attend_vision(self, vision: ClipMaps) -> Tensor:
        """Return the cells (P, T, C, h, w) after the first step, which sees no text."""
        cells, padding = vision.cells, vision.padding
        size = [max(length // self.reduction, 1) for length in cells.shape[-2:]]
        coarse = _resize(cells, size, mode='nearest')
        query = to_tokens(coarse + _resize(vision.position, size, mode='nearest'))
        if padding is not None:
            padding = resize_padding(padding, size).flatten(1)
        update = self.vision_attention(query, query, to_tokens(coarse), key_padding=padding)
        update = _resize(to_maps(update, coarse.shape), list(cells.shape[-2:]), mode='bilinear')
        tokens = to_tokens(cells) + self.vision_dropout(to_tokens(update))
        return to_maps(self.vision_norm(tokens), cells.shape)


@MODELS.register_module()
class DualCrossAttention(ClipAttention):
    """Vision and text attend to each other in parallel (post-norm).

    v <- LN(v + SA(v + p_v)) over all frames; then vision attends to the words and the words to the
    vision, both from the same state; each stream ends with LN, FFN, LN.

    Args:
        channels: C.
        num_heads: heads of the three attentions.
        hidden: width of the feed-forward networks.
        dropout: dropout on every residual update.
        projection_bias: biases of the projections before the words' attention to vision. The
            attention's own biases make them redundant, but the released checkpoints have them.
    """

    def __init__(
        self,
        channels: int = 256,
        *,
        num_heads: int = 8,
        hidden: int = 2048,
        dropout: float = 0.1,
        projection_bias: bool = False,
    ) -> None:
        super().__init__(channels, num_heads, dropout)
        self.text_to_vision = MultiheadAttention(channels, num_heads)
        self.vision_to_text = MultiheadAttention(channels, num_heads)
        self.text_query = nn.Linear(channels, channels, bias=projection_bias)
        self.vision_key = nn.Linear(channels, channels, bias=projection_bias)
        self.vision_value = nn.Linear(channels, channels, bias=projection_bias)
        self.vision_tail = ResidualFFN(channels, hidden, dropout)
        self.text_tail = ResidualFFN(channels, hidden, dropout)

    def forward(self, vision: ClipMaps, text: TextFeatures) -> tuple[Tensor, Tensor]:
        """Return the updated cells (P, T, C, h, w) and words (P, L, C)."""
        cells, cell_position, padding = self._tokens(vision)
        words, word_position = text.words, word_positions(text)
        vision_update = self.text_to_vision(
            cells + cell_position, words + word_position, words, key_padding=text.key_padding
        )
        words_update = self._attend_text(
            self.text_query(words) + word_position, cells, cell_position, padding
        )
        cells = self.vision_tail(cells, vision_update)
        return to_maps(cells, vision.cells.shape), self.text_tail(words, words_update)

    @torch.no_grad()
    def attention_map(self, vision: ClipMaps, text: TextFeatures) -> Tensor:
        """Return the share (P, T, h, w) of the words' attention that each cell receives."""
        cells, cell_position, padding = self._tokens(vision)
        query = self.text_query(text.words) + word_positions(text)
        weights = self.vision_to_text.weights(
            query, self.vision_key(cells) + cell_position, key_padding=padding
        )
        frames, _, *size = vision.cells.shape[1:]
        return text.average(weights).unflatten(1, (frames, *size))

    def _tokens(self, vision: ClipMaps) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the cells (P, T*h*w, C) after self-attention, their positions and padding."""
        cells, position = self.attend_vision(vision), vision.position
        return to_tokens(cells), to_tokens(position), flatten_padding(vision.padding, 1)

    def _attend_text(
        self, words: Tensor, vision: Tensor, position: Tensor, padding: Tensor | None
    ) -> Tensor:
        """Attend from words (P, L, C) to vision; few words need no projected vision."""
        attention = self.vision_to_text
        if not attention.are_few(words):
            key, value = self.vision_key(vision) + position, self.vision_value(vision)
            return attention(words, key, value, key_padding=padding)
        key_weight, key_bias = compose(attention.key_proj, self.vision_key)
        mixed = attend_few_queries(
            attention.query_proj(words),
            [(vision, key_weight), (position, attention.key_proj.weight)],
            key_bias,
            (vision, *compose(attention.value_proj, self.vision_value)),
            num_heads=attention.num_heads,
            key_padding=padding,
        )
        return attention.out_proj(mixed)


def compose(second: nn.Linear, first: nn.Linear) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the linear layer that equals ``second`` after ``first``."""
    bias = second.bias if first.bias is None else second.bias + second.weight @ first.bias
    return second.weight @ first.weight, bias


@MODELS.register_module()
class VisionLanguageBlock(ClipAttention):
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
        super().__init__(channels, num_heads, dropout)
        if reduction < 1:
            raise ValueError(f'VisionLanguageBlock: reduction must be at least 1, got {reduction}')
        self.reduction = reduction
        self.text_attention = MultiheadAttention(channels, num_heads)
        self.tail = ResidualFFN(channels, hidden, dropout)

    def init_weights(self) -> None:
        """Draw Xavier-uniform weights of all projections."""
        super().init_weights()
        for layer in self.tail.ffn:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)

    def forward(self, vision: ClipMaps, text: TextFeatures) -> Tensor:
        """Return the cells (P, T, C, h, w) after both attentions."""
        return self.attend_text(self.attend_vision(vision), vision.position, text)

    def attend_text(self, cells: Tensor, position: Tensor, text: TextFeatures) -> Tensor:
        """Apply the steps after the first to cells with positions, both (P, T, C, h, w)."""
        tokens, words = to_tokens(cells), text.words
        query, key = tokens + to_tokens(position), words + word_positions(text)
        update = self.text_attention(query, key, words, key_padding=text.key_padding)
        return to_maps(self.tail(tokens, update), cells.shape)

    @torch.no_grad()
    def attention_map(self, vision: ClipMaps, text: TextFeatures) -> Tensor:
        """Return attention (P, T, h, w) between words and cells, summing to one over the clip.

        In this block cells attend to words. The same products of queries and keys are normalized
        over the cells for each word and head, then averaged over both.
        """
        attention, heads = self.text_attention, self.text_attention.num_heads
        cells = to_tokens(self.attend_vision(vision)) + to_tokens(vision.position)
        words = text.words + word_positions(text)
        queries, keys = (
            projected.unflatten(-1, (heads, -1))
            for projected in (attention.query_proj(cells), attention.key_proj(words))
        )
        logits = torch.einsum('pshc,plhc->phls', queries, keys) * keys.shape[-1] ** -0.5
        if vision.padding is not None:
            logits = logits.masked_fill(vision.padding.flatten(1)[:, None, None], float('-inf'))
        frames, _, *size = vision.cells.shape[1:]
        return text.average(logits.softmax(-1).mean(1)).unflatten(1, (frames, *size))


def _resize(maps: Tensor, size: list[int], *, mode: str) -> Tensor:
    """Resize (P, T, C, h, w) to another (h, w)."""
    if list(maps.shape[-2:]) == size:
        return maps
    return F.interpolate(maps.flatten(0, 1), size=size, mode=mode).unflatten(0, maps.shape[:2])
