"""Multi-head attention with separate projections, so that shared inputs are projected once."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn


class MultiheadAttention(BaseModule):
    """Scaled dot-product attention with H heads, batch first.

    The projections are modules of their own (not one fused weight): a caller whose queries are
    shared by several batch rows projects them once and repeats the result.

    Args:
        channels: C, width of queries, keys, values and output.
        num_heads: H, divides C.
    """

    def __init__(self, channels: int, num_heads: int = 8) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'channels ({channels}) must be divisible by num_heads ({num_heads})')
        self.num_heads = num_heads
        self.query_proj = nn.Linear(channels, channels)
        self.key_proj = nn.Linear(channels, channels)
        self.value_proj = nn.Linear(channels, channels)
        self.out_proj = nn.Linear(channels, channels)

    def init_weights(self) -> None:
        """Xavier-uniform weights, zero biases."""
        for projection in (self.query_proj, self.key_proj, self.value_proj, self.out_proj):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, *, key_padding: Tensor | None = None
    ) -> Tensor:
        """(P, Q, C) queries, (P, K, C) keys and values -> (P, Q, C).

        Args:
            key_padding: (P, K) bool, True at keys that must not be seen.
        """
        return self.attend(self.query_proj(query), key, value, key_padding=key_padding)

    def attend(
        self,
        projected_query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        key_padding: Tensor | None = None,
    ) -> Tensor:
        """As :meth:`forward`, for queries that went through ``query_proj`` already."""
        mask = None if key_padding is None else ~key_padding[:, None, None, :]
        heads = _attention(
            self._split(projected_query),
            self._split(self.key_proj(key)),
            self._split(self.value_proj(value)),
            mask,
        )
        return self.out_proj(heads.transpose(1, 2).flatten(2))

    @torch.no_grad()
    def weights(self, query: Tensor, key: Tensor, *, key_padding: Tensor | None = None) -> Tensor:
        """(P, Q, K) attention weights averaged over heads: for figures, not for training."""
        queries, keys = self._split(self.query_proj(query)), self._split(self.key_proj(key))
        logits = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5
        if key_padding is not None:
            logits = logits.masked_fill(key_padding[:, None, None, :], float('-inf'))
        return logits.softmax(-1).mean(1)

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled dot-product attention over the heads.

    In bfloat16 on a CPU it is computed in float32: the fused kernel and its gradient take 3 to 5
    times longer in bfloat16 (16 x 4 heads, 108 or 540 queries, 15 keys, one thread).
    """
    if query.device.type != 'cpu' or query.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    with torch.autocast('cpu', enabled=False):
        return F.scaled_dot_product_attention(
            query.float(), key.float(), value.float(), attn_mask=mask
        )
