"""Early grounding: words and pixels update each other, then words filter the pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import TextFeatures

from .attention import MultiheadAttention
from .positions import word_positions
from .tokens import per_frame, to_maps, to_tokens


class ResidualFFN(nn.Module):
    """x -> LN(x + update) -> LN(. + FFN(.)): the tail of a post-norm transformer layer."""

    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.update_dropout = nn.Dropout(dropout)
        self.update_norm = nn.LayerNorm(channels)
        self.ffn = nn.Sequential(
            nn.Linear(channels, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, channels),
            nn.Dropout(dropout),
        )
        self.ffn_norm = nn.LayerNorm(channels)

    def forward(self, tokens: Tensor, update: Tensor) -> Tensor:
        tokens = self.update_norm(tokens + self.update_dropout(update))
        return self.ffn_norm(tokens + self.ffn(tokens))


@MODELS.register_module()
class DualCrossAttention(BaseModule):
    """Vision and text attend to each other, both from the same state (post-norm).

    v <- LN(v + SA(v + p_v)) over all frames; then, in parallel, vision reads the words and the
    words read the vision; each stream ends with LN, FFN, LN.

    Args:
        channels: C.
        num_heads: heads of the three attentions.
        hidden: width of the feed-forward networks.
        dropout: dropout on every residual update.
        projection_bias: biases of the projections before the words' attention to vision. Behind
            them are the attention's own biases, so they add parameters (which the released
            checkpoints have) and no function.
    """

    def __init__(
        self,
        channels: int = 256,
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
        self, vision: Tensor, position: Tensor, vision_padding: Tensor, text: TextFeatures
    ) -> tuple[Tensor, Tensor]:
        """Update both streams.

        Args:
            vision: (P, S, C) tokens of all frames, S = T*h*w.
            position: (P, S, C) their positions.
            vision_padding: (P, S) bool, True in padded cells.
            text: the P sentences.

        Returns:
            The updated vision (P, S, C) and words (P, L, C).
        """
        vision = self._attend_vision(vision, position, vision_padding)
        words, word_position = text.words, word_positions(text.padding, text.words.shape[-1])
        vision_update = self.text_to_vision(
            vision + position, words + word_position, words, key_padding=text.padding
        )
        words_update = self.vision_to_text(
            self.text_query(words) + word_position,
            self.vision_key(vision) + position,
            self.vision_value(vision),
            key_padding=vision_padding,
        )
        return self.vision_tail(vision, vision_update), self.text_tail(words, words_update)

    @torch.no_grad()
    def attention_map(
        self, vision: Tensor, position: Tensor, vision_padding: Tensor, text: TextFeatures
    ) -> Tensor:
        """(P, S) share of the words' attention that each cell receives (Figure A)."""
        vision = self._attend_vision(vision, position, vision_padding)
        query = self.text_query(text.words) + word_positions(text.padding, text.words.shape[-1])
        weights = self.vision_to_text.weights(
            query, self.vision_key(vision) + position, key_padding=vision_padding
        )
        real = (~text.padding).to(weights.dtype)[..., None]
        return (weights * real).sum(1) / real.sum(1)

    def _attend_vision(self, vision: Tensor, position: Tensor, padding: Tensor) -> Tensor:
        positioned = vision + position
        update = self.vision_attention(positioned, positioned, vision, key_padding=padding)
        return self.vision_norm(vision + self.vision_dropout(update))


def pool_words(words: Tensor, padding: Tensor, num_bins: int) -> Tensor:
    """Average the words of each sentence into bins, padding left out.

    The bins are those of adaptive average pooling over the sentence's own length n: bin k covers
    words floor(k*n/K) to ceil((k+1)*n/K).

    Args:
        words: (P, L, C).
        padding: (P, L) bool, True where there is no word (at the end).
        num_bins: K.

    Returns:
        (P, K, C).
    """
    length = (~padding).sum(1)[:, None]
    bins = torch.arange(num_bins, device=words.device)[None]
    start = bins * length // num_bins
    stop = -(-(bins + 1) * length // num_bins)
    index = torch.arange(words.shape[1], device=words.device)
    inside = (index >= start[..., None]) & (index < stop[..., None])
    weights = inside / (stop - start)[..., None]
    return weights.to(words.dtype) @ words


@MODELS.register_module()
class SentenceWordPooling(nn.Module):
    """Pools each sentence over its own words: its filters do not depend on its neighbours."""

    def forward(self, words: Tensor, padding: Tensor, num_bins: int) -> Tensor:
        """As :func:`pool_words`."""
        return pool_words(words, padding, num_bins)


@MODELS.register_module()
class BatchWordPooling(nn.Module):
    """Pools all sentences over the longest of the batch, padding included.

    Released code behaves so; where every batch holds one sentence, as in its training and tests,
    it is the same as :class:`SentenceWordPooling`.
    """

    def forward(self, words: Tensor, padding: Tensor, num_bins: int) -> Tensor:
        """As :func:`pool_words`; ``padding`` has no influence."""
        return F.adaptive_avg_pool1d(words.transpose(1, 2), num_bins).transpose(1, 2)


@MODELS.register_module()
class DynamicFilter(BaseModule):
    """K filters made of the sentence select channels of the grounded map (paper, Table B).

    r = ReLU(GN(W [theta_1 * u; ...; theta_K * u])), u = ReLU(GN(conv1x1(v'))). The 1x1 convolution
    W over the concatenation is linear in u, so it is folded into one C x C matrix per pair,
    sum_k W_k diag(theta_k): the K products are never made.

    Args:
        channels: C.
        num_filters: K (L_theta in Table B).
        num_groups: groups of the normalisations.
        word_pooling: config of the pooling of words into K bins; by default each sentence's own.
    """

    def __init__(
        self,
        channels: int = 256,
        num_filters: int = 3,
        num_groups: int = 8,
        word_pooling: dict | None = None,
    ) -> None:
        super().__init__()
        self.num_filters = num_filters
        self.word_pooling = MODELS.build(word_pooling or dict(type='SentenceWordPooling'))
        norm = dict(type='GN', num_groups=num_groups)
        self.input_conv = ConvModule(channels, channels, 1, norm_cfg=norm)
        self.filter_proj = nn.Linear(channels, channels)
        self.pool_conv = nn.Conv2d(channels * num_filters, channels, 1, bias=False)
        self.pool_norm = nn.GroupNorm(num_groups, channels)

    def forward(self, vision: Tensor, words: Tensor, padding: Tensor) -> Tensor:
        """(P, T, C, h, w) grounded map and (P, L, C) updated words -> (P, T, C, h, w) response."""
        frames = vision.shape[1]
        theta = self.filter_proj(self.word_pooling(words, padding, self.num_filters))
        weight = self.pool_conv.weight[:, :, 0, 0].unflatten(1, (self.num_filters, -1))
        mixing = torch.einsum('okc,pkc->poc', weight, theta)
        gated = self.input_conv(vision.flatten(0, 1)).unflatten(0, (-1, frames))
        response = torch.einsum('poc,ptchw->ptohw', mixing.to(gated.dtype), gated)
        return self.pool_norm(response.flatten(0, 1)).relu().unflatten(0, (-1, frames))


@MODELS.register_module()
class EarlyGrounding(BaseModule):
    """The early grounding module: f_early = ReLU(GN(conv3x3(v' + r))) (R2-VOS supplementary, C).

    Group normalisation sees padded cells, so a clip padded in a batch differs slightly from the
    same clip alone; that lies in the architecture.

    Args:
        channels: C.
        num_groups: groups of the normalisations.
        attention: config of the dual cross-attention.
        dynamic_filter: config of the dynamic filter.
    """

    def __init__(
        self, attention: dict, dynamic_filter: dict, channels: int = 256, num_groups: int = 8
    ) -> None:
        super().__init__()
        norm = dict(type='GN', num_groups=num_groups)
        self.lateral = ConvModule(channels, channels, 1, norm_cfg=norm, act_cfg=None)
        self.attention = MODELS.build(attention)
        self.dynamic_filter = MODELS.build(dynamic_filter)
        self.output = ConvModule(channels, channels, 3, padding=1, norm_cfg=norm)

    def forward(
        self, vision: Tensor, position: Tensor, padding: Tensor, text: TextFeatures
    ) -> Tensor:
        """Ground the sentences in one level of the memory.

        Args:
            vision: (P, T, C, h, w) memory at the grounding stride.
            position: (P, T, C, h, w) positions p_v.
            padding: (P, T, h, w) bool, True in padded cells.
            text: the P sentences.

        Returns:
            f_early, (P, T, C, h, w).
        """
        lateral = per_frame(self.lateral, vision)
        tokens, words = self.attention(
            to_tokens(lateral), to_tokens(position), padding.flatten(1), text
        )
        grounded = to_maps(tokens, vision.shape)
        response = self.dynamic_filter(grounded, words, text.padding)
        return per_frame(self.output, grounded + response)

    @torch.no_grad()
    def attention_map(
        self, vision: Tensor, position: Tensor, padding: Tensor, text: TextFeatures
    ) -> Tensor:
        """(P, T, h, w) where the words look, summing to one over the clip."""
        lateral = per_frame(self.lateral, vision)
        weights = self.attention.attention_map(
            to_tokens(lateral), to_tokens(position), padding.flatten(1), text
        )
        return weights.unflatten(1, padding.shape[1:])
