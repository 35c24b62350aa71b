"""Combine the channels of a convolution's output without computing the convolution."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .maps import per_frame


@dataclass
class ConvolvedMaps:
    """The output of a convolution that is computed only if necessary."""

    maps: Tensor  # (P, T, C, h, w) input of the convolution
    convolution: nn.Conv2d  # with stride 1, and as many output as input cells; C' output channels

    def compute(self) -> Tensor:
        """Return the output (P, T, C', h, w)."""
        return per_frame(self.convolution, self.maps)

    def combine(self, weights: Tensor) -> Tensor:
        """Return (P, T, N, h, w), the output's channels combined with weights (P, T, N, C').

        A combination <k, W * x + b> of the channels equals fold((k W) x) + <k, b>: N numbers per
        cell and element of the kernel replace C' numbers per cell.
        """
        weights = weights.flatten(0, 1)
        kernel = self.convolution.weight.flip(2, 3)  # from correlation to the sum over targets
        rows = torch.einsum('mno,ocij->mnijc', weights, kernel).flatten(1, 3)
        columns = rows @ self.maps.flatten(0, 1).flatten(2)  # (P * T, N * elements, h * w)
        columns = columns.to(torch.promote_types(columns.dtype, torch.float32))
        size, padding = self.maps.shape[-2:], self.convolution.padding
        combined = F.fold(columns, size, self.convolution.kernel_size, padding=padding)
        if self.convolution.bias is not None:
            combined = combined + (weights @ self.convolution.bias)[..., None, None]
        return combined.unflatten(0, self.maps.shape[:2])


def combine_channels(weights: Tensor, features: Tensor | ConvolvedMaps) -> Tensor:
    """Combine (P, T, C, h, w) features with weights (P, T, N, C) of channels to (P, T, N, h, w)."""
    if isinstance(features, ConvolvedMaps):
        if 4 * weights.shape[2] <= weights.shape[3]:
            return features.combine(weights)
        features = features.compute()
    return torch.einsum('ptnc,ptchw->ptnhw', weights, features.to(weights.dtype))
