"""Predict mask logits from instance embeddings and mask features."""

import torch
from mmdet.models.layers import MLP
from mmengine.model import BaseModule, xavier_init
from torch import Tensor, nn

from r2vos_mm.registry import MODELS

from ..layers.convolved_maps import ConvolvedMaps, combine_channels


@MODELS.register_module()
class LinearMaskPredictor(BaseModule):
    """Predict masks as linear combinations of the mask features (R2-VOS supplementary, C).

    The coefficients are Linear-ReLU-Linear of the instance embedding z_t.

    Args:
        channels: C of embeddings and mask features.
    """

    def __init__(self, channels: int = 256) -> None:
        super().__init__()
        self.weights = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels)
        )

    def forward(
        self, queries: Tensor, mask_features: Tensor | ConvolvedMaps, references: Tensor
    ) -> Tensor:
        """Predict masks of all queries.

        Args:
            queries: (P, T, N, C) instance embeddings.
            mask_features: (P, T, C, h, w), or their last convolution still to be computed.
            references: (P, T, N, 2) reference points x, y in pixels of the input; not used here.

        Returns:
            Mask logits (P, T, N, h, w).
        """
        return combine_channels(self.weights(queries), mask_features)


@MODELS.register_module()
class DynamicMaskPredictor(BaseModule):
    """Predict masks by three 1x1 convolutions with weights from the embedding (released code).

    The inputs of the convolutions (C + 2 -> D -> D -> 1, ReLU between) are the mask features and
    the position of a cell relative to the query's reference point, in pixels. The first one is
    linear, so the features enter by one product with the weights of all queries and the coordinates
    by one term per row and one per column. Unlike grouped convolutions, this repeats no features.

    Args:
        channels: C of embeddings and mask features.
        hidden: D.
        stride: input pixels per cell of the mask features; cells are located by their centres.
    """

    def __init__(self, channels: int = 256, *, hidden: int = 8, stride: int = 4) -> None:
        super().__init__()
        self.channels, self.hidden, self.stride = channels, hidden, stride
        # weights of the three convolutions (output major), then their biases
        self.parts = ((channels + 2) * hidden, hidden * hidden, hidden, hidden, hidden, 1)
        self.controller = MLP(channels, channels, sum(self.parts), 3)

    def init_weights(self) -> None:
        """Draw Xavier-uniform weights and set biases to zero."""
        super().init_weights()
        for layer in self.controller.layers:
            xavier_init(layer, distribution='uniform')

    def forward(
        self, queries: Tensor, mask_features: Tensor | ConvolvedMaps, references: Tensor
    ) -> Tensor:
        """Predict masks; see :meth:`LinearMaskPredictor.forward`."""
        # bfloat16 cannot represent pixel coordinates in the hundreds; stay in float32
        with torch.autocast(queries.device.type, enabled=False):
            parts = self.controller(queries.float()).split(self.parts, dim=-1)
        first = parts[0].unflatten(-1, (self.hidden, -1))  # (P, T, N, D, C + 2)
        weights = first[..., : self.channels].flatten(2, 3)
        features = combine_channels(weights, mask_features).unflatten(2, first.shape[2:4])
        with torch.autocast(queries.device.type, enabled=False):
            second, third, *biases = parts[1:]
            size, weights = features.shape[-2:], first[..., self.channels :]
            cells = features.float() + self._coordinate_share(weights, references.float(), size)
            cells = (cells + biases[0][..., None, None]).relu().flatten(-2)
            cells = second.unflatten(-1, (self.hidden, -1)) @ cells + biases[1][..., None]
            masks = third[..., None, :] @ cells.relu() + biases[2][..., None]
        return masks.squeeze(-2).unflatten(-1, size)

    def _coordinate_share(
        self, weights: Tensor, references: Tensor, size: tuple[int, int]
    ) -> Tensor:
        """Multiply weights (P, T, N, D, 2) of x and y by reference minus cell.

        Returns (P, T, N, D, h, w).
        """
        rows, columns = (
            self.stride * torch.arange(cells, device=weights.device) + self.stride // 2
            for cells in size
        )
        x = weights[..., :1] * (references[..., :1] - columns)[..., None, :]
        y = weights[..., 1:] * (references[..., 1:] - rows)[..., None, :]
        return x[..., None, :] + y[..., None]
