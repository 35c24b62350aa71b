"""Mix neighbouring frames, for backbones that see one frame at a time."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, constant_init
from torch import Tensor, nn

from r2vos_mm.registry import MODELS


@MODELS.register_module()
class TemporalMixing(BaseModule):
    """x <- x + W_2 * ReLU(W_1 * x) per level, both 3x3x3 convolutions over time and space.

    It lets models with a frame-wise backbone see motion, and runs once per clip. The last
    convolution starts at zero, so a model trained without the mixing gives the same results when it
    is added. Padded cells are zero before both convolutions, like cells outside the frame.

    Args:
        channels: C of every level.
        num_levels: number of levels, each with its own weights.
        hidden: channels between the two convolutions.
    """

    def __init__(
        self, *, channels: int, num_levels: int, hidden: int, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.inputs = nn.ModuleList(
            nn.Conv3d(channels, hidden, 3, padding=1) for _ in range(num_levels)
        )
        self.outputs = nn.ModuleList(
            nn.Conv3d(hidden, channels, 3, padding=1) for _ in range(num_levels)
        )

    def init_weights(self) -> None:
        """Set the output convolutions to zero, which makes the module the identity."""
        super().init_weights()
        for convolution in self.outputs:
            constant_init(convolution, 0)

    def forward(self, levels: list[Tensor], paddings: list[Tensor] | None) -> list[Tensor]:
        """Mix the frames of every level (B, T, C, h_i, w_i).

        ``paddings`` (B, T, h_i, w_i) are True in padded cells; None if there are none.
        """
        paddings = [None] * len(levels) if paddings is None else paddings
        parts, mixed = zip(levels, paddings, self.inputs, self.outputs, strict=True), []
        for level, padding, first, last in parts:
            hidden = F.relu(_convolve(first, level.transpose(1, 2), padding))
            update = _convolve(last, hidden, padding)
            mixed.append(level + update.transpose(1, 2).to(level.dtype))
        return mixed


def _convolve(convolution: nn.Conv3d, volume: Tensor, padding: Tensor | None) -> Tensor:
    """Convolve a volume (B, C, T, h, w) without its padding, in training on a CPU in float32.

    On CPUs with AMX, the weights' gradients of bfloat16 Conv3d are NaN or huge for some sizes,
    such as 128 to 64 channels at 28x48 (PyTorch 2.13).
    """
    if padding is not None:
        volume = volume.masked_fill(padding[:, None], 0)
    if volume.device.type != 'cpu' or not torch.is_grad_enabled():
        return convolution(volume)
    with torch.autocast('cpu', enabled=False):
        return convolution(volume.float())
