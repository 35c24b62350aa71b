"""From an instance embedding to the logits of its mask."""
from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS


@MODELS.register_module()
class LinearMaskPredictor(BaseModule):
    """A mask is a linear combination of the mask features (R2-VOS supplementary, C).

    The weights are Linear-ReLU-Linear of the instance embedding z_t.

    Args:
        channels: C of embeddings and mask features.
    """

    def __init__(self, channels: int = 256) -> None:
        super().__init__()
        self.weights = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))

    def forward(self, queries: Tensor, mask_features: Tensor, references: Tensor) -> Tensor:
        """Predict masks of all slots.

        Args:
            queries: (P, T, N, C) instance embeddings.
            mask_features: (P, T, C, h, w).
            references: (P, T, N, 2) reference points in [0, 1]; this predictor has no use for
                them, position-aware ones do.

        Returns:
            Mask logits (P, T, N, h, w).
        """
        weights = self.weights(queries)
        return torch.einsum('ptnc,ptchw->ptnhw', weights, mask_features.to(weights.dtype))
