"""Let vision and text attend to each other."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import TextFeatures

from .attention import MultiheadAttention, attend_few_queries
from .positions import word_positions
from .residual_ffn import ResidualFFN


@MODELS.register_module()
class DualCrossAttention(BaseModule):
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
        super().__init__()
        self.vision_attention = MultiheadAttention(channels, num_heads)
        self.vision_dropout = nn.Dropout(dropout)
        self.vision_norm = nn.LayerNorm(channels)
        self.text_to_vision = MultiheadAttention(channels, num_heads)
        self.vision_to_text = MultiheadAttention(channels, num_heads)
        self.text_query = nn.Linear(channels, channels, bias=projection_bias)
        self.vision_key = nn.Linear(channels, channels, bias=projection_bias)
        self.vision_value = nn.Linear(channels, channels, bias=projection_bias)
        self.vision_tail = ResidualFFN(channels, hidden, dropout)
        self.text_tail = ResidualFFN(channels, hidden, dropout)

    def forward(
        self, vision: Tensor, position: Tensor, vision_padding: Tensor | None, text: TextFeatures
    ) -> tuple[Tensor, Tensor]:
        """Update both streams.

        Args:
            vision: (P, S, C) tokens of all frames, S = T*h*w.
            position: (P, S, C) their positions.
            vision_padding: (P, S) bool, True in padded cells; None if there are none.
            text: the P expressions.

        Returns:
            The updated vision (P, S, C) and words (P, L, C).
        """
        vision = self._attend_vision(vision, position, vision_padding)
        words, word_position = text.words, word_positions(text.padding, text.words.shape[-1])
        vision_update = self.text_to_vision(
            vision + position, words + word_position, words, key_padding=text.key_padding
        )
        words_update = self._attend_text(
            self.text_query(words) + word_position, vision, position, vision_padding
        )
        return self.vision_tail(vision, vision_update), self.text_tail(words, words_update)

    @torch.no_grad()
    def attention_map(
        self, vision: Tensor, position: Tensor, vision_padding: Tensor | None, text: TextFeatures
    ) -> Tensor:
        """(P, S) share of the words' attention that each cell receives."""
        vision = self._attend_vision(vision, position, vision_padding)
        query = self.text_query(text.words) + word_positions(text.padding, text.words.shape[-1])
        weights = self.vision_to_text.weights(
            query, self.vision_key(vision) + position, key_padding=vision_padding
        )
        return text.average(weights)

    def _attend_text(
        self, words: Tensor, vision: Tensor, position: Tensor, padding: Tensor | None
    ) -> Tensor:
        """Attention of the words (P, L, C) to vision; few words need no projected vision."""
        attention = self.vision_to_text
        if not attention.are_few(words):
            key, value = self.vision_key(vision) + position, self.vision_value(vision)
            return attention(words, key, value, key_padding=padding)
        key, value = (
            (attention.key_proj, self.vision_key),
            (attention.value_proj, self.vision_value),
        )
        (key_weight, key_bias), (value_weight, value_bias) = compose(*key), compose(*value)
        mixed = attend_few_queries(
            attention.query_proj(words),
            [(vision, key_weight), (position, attention.key_proj.weight)],
            key_bias,
            vision,
            value_weight,
            value_bias,
            num_heads=attention.num_heads,
            key_padding=padding,
        )
        return attention.out_proj(mixed)

    def _attend_vision(self, vision: Tensor, position: Tensor, padding: Tensor | None) -> Tensor:
        positioned = vision + position
        update = self.vision_attention(positioned, positioned, vision, key_padding=padding)
        return self.vision_norm(vision + self.vision_dropout(update))


def compose(second: nn.Linear, first: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight and bias of the linear layer that equals ``second`` after ``first``."""
    bias = second.bias if first.bias is None else second.bias + second.weight @ first.bias
    return second.weight @ first.weight, bias
