"""Pool the words of an expression into a fixed number of bins."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from r2vos_mm.registry import MODELS


def pool_words(words: Tensor, padding: Tensor, num_bins: int) -> Tensor:
    """Average the words of each expression into bins, without the padding.

    The bins are those of adaptive average pooling over the expression's own length n: bin k covers
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
    """Pool each expression over its own words, independently of the others in the batch."""

    def forward(self, words: Tensor, padding: Tensor, num_bins: int) -> Tensor:
        """See :func:`pool_words`."""
        return pool_words(words, padding, num_bins)


@MODELS.register_module()
class BatchWordPooling(nn.Module):
    """Pool all expressions over the longest of the batch, padding included.

    This is what the released code does. With one expression per batch, as in its training and
    tests, it equals :class:`SentenceWordPooling`.
    """

    def forward(self, words: Tensor, padding: Tensor, num_bins: int) -> Tensor:
        """See :func:`pool_words`; ``padding`` is ignored."""
        return F.adaptive_avg_pool1d(words.transpose(1, 2), num_bins).transpose(1, 2)
