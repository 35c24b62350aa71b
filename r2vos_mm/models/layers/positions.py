"""Compute sine positions of words and of the cells of a clip."""

import math

import torch
from mmdet.models.layers import SinePositionalEncoding, SinePositionalEncoding3D
from torch import Tensor

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import TextFeatures

# MMDetection builds it by class, not by registry name; a config must be able to name it.
if 'SinePositionalEncoding3D' not in MODELS:
    MODELS.register_module(module=SinePositionalEncoding3D)


@MODELS.register_module()
class FramewisePositionalEncoding(SinePositionalEncoding):
    """2-D sine positions of each frame, without any order of frames.

    Takes the arguments of ``mmdet.SinePositionalEncoding``. The interface is that of
    ``mmdet.SinePositionalEncoding3D``, which can replace it where the order of frames matters.
    """

    def forward(self, padding: Tensor) -> Tensor:
        """Return positions (B, T, C, h, w), C = 2 * num_feats, for bool padding (B, T, h, w)."""
        return super().forward(padding.flatten(0, 1)).unflatten(0, padding.shape[:2])


def word_positions(text: TextFeatures) -> Tensor:
    """Compute 1-D sine positions, normalized by each expression's own number of words.

    Returns (P, L, C) float32 for words (P, L, C); C must be even.
    """
    channels, padding = text.words.shape[-1], text.padding
    index = (~padding).cumsum(1, dtype=torch.float32)
    index = index / (index[:, -1:] + 1e-6) * (2 * math.pi)
    feature = torch.arange(channels // 2, dtype=torch.float32, device=padding.device)
    angles = index[..., None] / 10000.0 ** (2 * feature / channels)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(2)
