"""Sine positions of words and of the cells of a clip."""

from __future__ import annotations

import math

import torch
from mmdet.models.layers import SinePositionalEncoding
from torch import Tensor

from r2vos_mm.registry import MODELS


@MODELS.register_module()
class FramewisePositionalEncoding(SinePositionalEncoding):
    """2-D sine positions of every frame by itself: the frames of a clip carry no order.

    Takes the arguments of ``mmdet.SinePositionalEncoding``; the interface is that of
    ``mmdet.SinePositionalEncoding3D``, with which it can be swapped when time should count.
    """

    def forward(self, padding: Tensor) -> Tensor:
        """(B, T, h, w) bool padding -> (B, T, C, h, w), C = 2 * num_feats."""
        return super().forward(padding.flatten(0, 1)).unflatten(0, padding.shape[:2])


def word_positions(padding: Tensor, channels: int, *, temperature: float = 10000.0) -> Tensor:
    """1-D sine positions, normalised by each sentence's own number of words.

    Args:
        padding: (P, L) bool, True where there is no word.
        channels: C, even.

    Returns:
        (P, L, C) float32.
    """
    index = (~padding).cumsum(1, dtype=torch.float32)
    index = index / (index[:, -1:] + 1e-6) * (2 * math.pi)
    feature = torch.arange(channels // 2, dtype=torch.float32, device=padding.device)
    angles = index[..., None] / temperature ** (2 * feature / channels)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(2)
