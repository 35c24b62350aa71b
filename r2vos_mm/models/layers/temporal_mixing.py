"""Neighbouring frames seen together, for backbones that see one frame at a time."""

from __future__ import annotations

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS


@MODELS.register_module()
class TemporalMixing(BaseModule):
    """x <- x + W_2 * ReLU(W_1 * x) per level, both 3x3x3 convolutions over time and space.

    A frame-wise backbone cannot see motion, and attention over frames compares what is there, not
    where it went. Runs once per clip, whatever the number of sentences. The last convolution
    starts at zero: a model trained without the mixing gives the same results with it at first.
    Padded cells are zero before either convolution, as are cells outside the frame.

    Args:
        channels: C of every level.
        num_levels: number of levels, each with weights of its own.
        hidden: channels between the two convolutions.
    """

    def __init__(
        self, channels: int, num_levels: int, hidden: int, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.inputs = nn.ModuleList(
            nn.Conv3d(channels, hidden, 3, padding=1) for _ in range(num_levels)
        )
        self.outputs = nn.ModuleList(
            nn.Conv3d(hidden, channels, 3, padding=1) for _ in range(num_levels)
        )

    def init_weights(self) -> None:
        """Zero output convolutions: the identity."""
        super().init_weights()
        for convolution in self.outputs:
            nn.init.zeros_(convolution.weight)
            nn.init.zeros_(convolution.bias)

    def forward(self, levels: list[Tensor], paddings: list[Tensor]) -> list[Tensor]:
        """Mix the frames of every level.

        Args:
            levels: maps (B, T, C, h_i, w_i).
            paddings: (B, T, h_i, w_i) bool, True in padded cells.

        Returns:
            Maps of the same shapes.
        """
        return [
            self._mix(index, level, padding[:, None])
            for index, (level, padding) in enumerate(zip(levels, paddings, strict=True))
        ]

    def _mix(self, index: int, level: Tensor, padding: Tensor) -> Tensor:
        volume = level.transpose(1, 2).masked_fill(padding, 0)
        hidden = F.relu(self.inputs[index](volume)).masked_fill(padding, 0)
        return level + self.outputs[index](hidden).transpose(1, 2)
