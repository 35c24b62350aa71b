"""Filter a map with kernels made from the expression."""

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS


def pool_words(words: Tensor, padding: Tensor, num_bins: int) -> Tensor:
    """Average the words (P, L, C) of each expression into K bins (P, K, C), without the padding.

    The bins are those of adaptive average pooling over the expression's own length n: bin k covers
    words floor(k*n/K) to ceil((k+1)*n/K). Padding (P, L) is True after the last word.
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
class BatchWordPooling(nn.Module):
    """Pool all expressions over the longest of the batch, padding included (released code).

    With one expression per batch, as in that code, it equals :func:`pool_words`.
    """

    def forward(self, words: Tensor, padding: Tensor, num_bins: int) -> Tensor:
        """See :func:`pool_words`; ``padding`` is ignored."""
        return F.adaptive_avg_pool1d(words.transpose(1, 2), num_bins).transpose(1, 2)


@MODELS.register_module()
class DynamicFilter(BaseModule):
    """Select channels of the grounded map by K filters made from the words (paper, Table B).

    r = ReLU(GN(W [theta_1 * u; ...; theta_K * u])), u = ReLU(GN(conv1x1(v'))). The 1x1 convolution
    W over the concatenation is linear in u, so it is folded into one C x C matrix per pair,
    sum_k W_k diag(theta_k), and the K products are never computed.

    Args:
        channels: C.
        num_filters: K (L_theta in Table B).
        num_groups: groups of the normalizations.
        word_pooling: config of the pooling into K bins; None for :func:`pool_words`.
    """

    def __init__(
        self,
        channels: int = 256,
        *,
        num_filters: int = 3,
        num_groups: int = 8,
        word_pooling: dict | None = None,
    ) -> None:
        super().__init__()
        self.num_filters = num_filters
        self.word_pooling = MODELS.build(word_pooling) if word_pooling else pool_words
        norm = dict(type='GN', num_groups=num_groups)
        self.input_conv = ConvModule(channels, channels, 1, norm_cfg=norm)
        self.filter_proj = nn.Linear(channels, channels)
        self.pool_conv = nn.Conv2d(channels * num_filters, channels, 1, bias=False)
        self.pool_norm = nn.GroupNorm(num_groups, channels)

    def forward(self, vision: Tensor, words: Tensor, padding: Tensor) -> Tensor:
        """Return the response (P, T, C, h, w) of a map (P, T, C, h, w) to words (P, L, C)."""
        frames = vision.shape[1]
        theta = self.filter_proj(self.word_pooling(words, padding, self.num_filters))
        weight = self.pool_conv.weight[:, :, 0, 0].unflatten(1, (self.num_filters, -1))
        mixing = torch.einsum('okc,pkc->poc', weight, theta)
        gated = self.input_conv(vision.flatten(0, 1)).unflatten(0, (-1, frames))
        response = torch.einsum('poc,ptchw->ptohw', mixing.to(gated.dtype), gated)
        return self.pool_norm(response.flatten(0, 1)).relu().unflatten(0, (-1, frames))
