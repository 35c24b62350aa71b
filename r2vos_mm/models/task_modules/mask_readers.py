"""From mask logits to masks at the size of the files."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from r2vos_mm.registry import TASK_UTILS


@TASK_UTILS.register_module()
class BilinearMaskReader:
    """Logits at the size of the files, then the threshold (ReferFormer, R2-VOS)."""

    def __call__(
        self,
        logits: Tensor,
        threshold: float,
        *,
        input_size: tuple[int, int],
        file_size: tuple[int, int],
    ) -> Tensor:
        """Read masks.

        Args:
            logits: (T, h, w).
            threshold: logit above which a pixel is foreground.
            input_size: (H, W) of the frames that the model saw, without padding.
            file_size: (H0, W0) of the masks.

        Returns:
            (T, H0, W0) bool.
        """
        return _bilinear(logits, file_size) > threshold


@TASK_UTILS.register_module()
class InputSizeMaskReader:
    """The threshold at the size of the model's input, then the nearest pixel.

    MTTR reads its masks so, and the figures of A2D-Sentences and JHMDB-Sentences are of masks that
    were read so.
    """

    def __call__(
        self,
        logits: Tensor,
        threshold: float,
        *,
        input_size: tuple[int, int],
        file_size: tuple[int, int],
    ) -> Tensor:
        """As :meth:`BilinearMaskReader.__call__`."""
        masks = _bilinear(logits, input_size) > threshold
        return F.interpolate(masks[:, None].to(torch.uint8), tuple(file_size), mode='nearest')[
            :, 0
        ].bool()


def _bilinear(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(logits[:, None], size=tuple(size), mode='bilinear', align_corners=False)[
        :, 0
    ]
