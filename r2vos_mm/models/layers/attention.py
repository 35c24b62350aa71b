"""Compute multi-head attention, with fewer operations where queries or keys are few."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, xavier_init
from torch import Tensor, nn


class MultiheadAttention(BaseModule):
    """Scaled dot-product attention with H heads, batch first.

    The projections are separate modules (not one fused weight): a caller whose queries are shared
    by several batch rows projects them once and repeats the result.

    Few keys (H * K <= C, such as words) or few queries need no projection of the longer side: its
    matrices are applied to the shorter one, with equal results. This form is used in float32; under
    autocast PyTorch's kernels are as fast and more accurate.

    Args:
        channels: C, width of queries, keys, values and output.
        num_heads: H, divides C.
    """

    def __init__(self, channels: int, num_heads: int = 8) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'channels ({channels}) must be divisible by num_heads ({num_heads})')
        self.num_heads, self.scale = num_heads, (channels // num_heads) ** -0.5
        self.query_proj = nn.Linear(channels, channels)
        self.key_proj = nn.Linear(channels, channels)
        self.value_proj = nn.Linear(channels, channels)
        self.out_proj = nn.Linear(channels, channels)

    def init_weights(self) -> None:
        """Draw Xavier-uniform weights and set biases to zero."""
        for projection in (self.query_proj, self.key_proj, self.value_proj, self.out_proj):
            xavier_init(projection, distribution='uniform')

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, *, key_padding: Tensor | None = None
    ) -> Tensor:
        """Attend from (P, Q, C) queries to (P, K, C) keys and values; return (P, Q, C).

        Args:
            key_padding: (P, K) bool, True at keys to ignore; None if there are none.
        """
        if self.are_few(key):
            return self._attend_few_keys(query, key, value, key_padding)
        if self.are_few(query):
            mixed = attend_few_queries(
                self.query_proj(query),
                [(key, self.key_proj.weight)],
                self.key_proj.bias,
                (value, self.value_proj.weight, self.value_proj.bias),
                num_heads=self.num_heads,
                key_padding=key_padding,
            )
            return self.out_proj(mixed)
        return self.attend(self.query_proj(query), key, value, key_padding=key_padding)

    def are_few(self, tokens: Tensor) -> bool:
        """Return whether (P, K, C) tokens are so few that the other side need not be projected."""
        few = self.num_heads * tokens.shape[1] <= tokens.shape[2]
        return few and not _autocasts(tokens.device.type)

    def attend(
        self, projected: Tensor, key: Tensor, value: Tensor, *, key_padding: Tensor | None = None
    ) -> Tensor:
        """Compute :meth:`forward` for queries that ``query_proj`` has already projected."""
        mask = None if key_padding is None else ~key_padding[:, None, None, :]
        inputs = (projected, self.key_proj(key), self.value_proj(value))
        heads = _attention(*map(self._split, inputs), mask)
        return self.out_proj(heads.transpose(1, 2).flatten(2))

    @torch.no_grad()
    def weights(self, query: Tensor, key: Tensor, *, key_padding: Tensor | None = None) -> Tensor:
        """Return (P, Q, K) attention weights averaged over heads, for visualization."""
        queries, keys = self._split(self.query_proj(query)), self._split(self.key_proj(key))
        logits = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5
        if key_padding is not None:
            logits = logits.masked_fill(key_padding[:, None, None, :], float('-inf'))
        return logits.softmax(-1).mean(1)

    def _attend_few_keys(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding: Tensor | None
    ) -> Tensor:
        """Move the projections of queries and output to the keys and values."""
        heads = (self.num_heads, -1)
        keys = self._split(self.key_proj(key)) * self.scale  # (P, H, K, d)
        bias = keys @ self.query_proj.bias.unflatten(0, heads)[..., None]  # (P, H, K, 1)
        if key_padding is not None:
            bias = bias.masked_fill(key_padding[:, None, :, None], float('-inf'))
        keys = keys @ self.query_proj.weight.unflatten(0, heads)  # (P, H, K, C)
        logits = torch.baddbmm(bias.flatten(1, 2), keys.flatten(1, 2), query.transpose(1, 2))
        weights = logits.unflatten(1, keys.shape[1:3]).softmax(2).flatten(1, 2)  # (P, H * K, Q)
        values = self._split(self.value_proj(value)) @ self.out_proj.weight.T.unflatten(0, heads)
        return weights.transpose(1, 2) @ values.flatten(1, 2) + self.out_proj.bias

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


def attend_few_queries(
    query: Tensor,
    keys: Sequence[tuple[Tensor, Tensor]],
    key_bias: Tensor,
    value: tuple[Tensor, Tensor, Tensor],
    *,
    num_heads: int,
    key_padding: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Attend with few queries in float32, moving the projections of keys and values to them.

    Args:
        query: (P, Q, C) projected queries.
        keys: terms of the keys, each a (P, K, D) tensor and the (C, D) matrix that projects it.
        key_bias: (C,).
        value: values (P, K, D) and their projection, (C, D) weights and (C,) biases.
        num_heads: H.
        key_padding: (P, K) bool, True at keys to ignore; None if there are none.
        dropout: dropout of the attention weights.

    Returns:
        (P, Q, C), before the output projection.
    """
    heads, rows = (num_heads, -1), (num_heads, query.shape[1])
    with torch.autocast(query.device.type, enabled=False):
        query = query.unflatten(-1, heads).transpose(1, 2)  # (P, H, Q, d)
        query = _full(query) * query.shape[-1] ** -0.5
        logits = (query @ key_bias.unflatten(0, heads)[..., None]).flatten(1, 2)  # (P, H * Q, 1)
        for key, weight in keys:
            moved = (query @ weight.unflatten(0, heads)).flatten(1, 2)  # (P, H * Q, D)
            logits = torch.baddbmm(logits, moved, _full(key).transpose(1, 2))
        if key_padding is not None:
            logits = logits.masked_fill(key_padding[:, None], float('-inf'))
        weights = F.dropout(logits.softmax(-1), dropout, training=dropout > 0)
        values, value_weight, value_bias = value
        mixed = (weights @ _full(values)).unflatten(1, rows)
        mixed = mixed @ value_weight.unflatten(0, heads).transpose(1, 2)  # (P, H, Q, d)
        shares = weights.sum(-1, keepdim=True).unflatten(1, rows)  # 1 without dropout
        mixed = mixed + shares * value_bias.unflatten(0, (num_heads, 1, -1))
    return mixed.transpose(1, 2).flatten(2)


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Compute scaled dot-product attention over the heads.

    In bfloat16 on a CPU it is computed in float32: the fused kernel and its gradient take 3 to 5
    times longer in bfloat16 (16 x 4 heads, 108 or 540 queries, 15 keys, one thread).
    """
    if query.device.type != 'cpu' or query.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    with torch.autocast('cpu', enabled=False):
        inputs = (x.float() for x in (query, key, value))
        return F.scaled_dot_product_attention(*inputs, attn_mask=mask)


def _full(values: Tensor) -> Tensor:
    """Convert half precision to float32."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _autocasts(device_type: str) -> bool:
    try:
        return torch.is_autocast_enabled(device_type)
    except TypeError:  # PyTorch before 2.4
        return torch.is_autocast_enabled() or torch.is_autocast_cpu_enabled()
