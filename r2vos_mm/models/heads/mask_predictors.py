"""From an instance embedding to the logits of its mask."""

from __future__ import annotations

import torch
from mmdet.models.layers import MLP
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
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels)
        )

    def forward(self, queries: Tensor, mask_features: Tensor, references: Tensor) -> Tensor:
        """Predict masks of all slots.

        Args:
            queries: (P, T, N, C) instance embeddings.
            mask_features: (P, T, C, h, w).
            references: (P, T, N, 2) reference points x, y in pixels of the input; this predictor
                has no use for them, position-aware ones do.

        Returns:
            Mask logits (P, T, N, h, w).
        """
        weights = self.weights(queries)
        return torch.einsum('ptnc,ptchw->ptnhw', weights, mask_features.to(weights.dtype))


@MODELS.register_module()
class DynamicMaskPredictor(BaseModule):
    """Three 1x1 convolutions per slot, their weights made of its embedding (released code).

    The convolutions (C + 2 -> D -> D -> 1, ReLU between) see the mask features and where a cell
    lies relative to the slot's reference point, in pixels. The first one is linear, so its share
    of the features is one product of all slots' weights with one map, and its share of the
    coordinates a sum of one term per row and one per column: the features are never repeated for
    the slots, as the form with grouped convolutions does, and no map of coordinates is made.

    Args:
        channels: C of embeddings and mask features.
        hidden: D.
        stride: pixels of the input per cell of the mask features; a cell's place is its centre.
    """

    def __init__(self, channels: int = 256, hidden: int = 8, stride: int = 4) -> None:
        super().__init__()
        self.channels, self.hidden, self.stride = channels, hidden, stride
        # weights of the three convolutions (output major), then their biases
        self.parts = ((channels + 2) * hidden, hidden * hidden, hidden, hidden, hidden, 1)
        self.controller = MLP(channels, channels, sum(self.parts), 3)

    def init_weights(self) -> None:
        """Xavier-uniform weights, zero biases."""
        super().init_weights()
        for layer in self.controller.layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, queries: Tensor, mask_features: Tensor, references: Tensor) -> Tensor:
        """Predict masks of all slots.

        Args:
            queries: (P, T, N, C) instance embeddings.
            mask_features: (P, T, C, h, w).
            references: (P, T, N, 2) reference points x, y in pixels of the input.

        Returns:
            Mask logits (P, T, N, h, w).
        """
        # coordinates of hundreds of pixels, and the weights they meet, are no matter for bfloat16
        with torch.autocast(queries.device.type, enabled=False):
            parts = self.controller(queries.float()).split(self.parts, dim=-1)
        first = parts[0].unflatten(-1, (self.hidden, -1))  # (P, T, N, D, C + 2)
        features = torch.einsum(
            'ptndc,ptchw->ptndhw', first[..., : self.channels], mask_features.to(first.dtype)
        )
        with torch.autocast(queries.device.type, enabled=False):
            second, third, *biases = parts[1:]
            cells = (
                (
                    features.float()
                    + self._coordinate_share(
                        first[..., self.channels :], references.float(), features.shape[-2:]
                    )
                    + biases[0][..., None, None]
                )
                .relu()
                .flatten(-2)
            )
            cells = second.unflatten(-1, (self.hidden, -1)) @ cells + biases[1][..., None]
            masks = third[..., None, :] @ cells.relu() + biases[2][..., None]
        return masks.squeeze(-2).unflatten(-1, features.shape[-2:])

    def _coordinate_share(
        self, weights: Tensor, references: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """Weights of (x, y) (P, T, N, D, 2) times reference minus cell: (P, T, N, D, h, w)."""
        rows, columns = (
            self.stride * torch.arange(cells, device=weights.device) + self.stride // 2
            for cells in size
        )
        x = references[..., :1] - columns
        y = references[..., 1:] - rows
        return (weights[..., :1] * x[..., None, :])[..., None, :] + (
            weights[..., 1:] * y[..., None, :]
        )[..., None]
