"""Convert mask logits to masks at the size of the files."""

import torch
import torch.nn.functional as F
from torch import Tensor

from r2vos_mm.registry import TASK_UTILS

Size = tuple[int, int]


@TASK_UTILS.register_module()
class BilinearMaskReader:
    """Resize the logits to the size of the files, then threshold (ReferFormer, R2-VOS)."""

    def __call__(
        self, logits: Tensor, threshold: float, *, input_size: Size, file_size: Size
    ) -> Tensor:
        """Return bool masks (T, H0, W0) of the file size from logits (T, h, w).

        Args:
            logits: (T, h, w).
            threshold: logit above which a pixel is foreground.
            input_size: (H, W) of the model's input frames, without padding.
            file_size: (H0, W0) of the masks.
        """
        return _bilinear(logits, file_size) > threshold


@TASK_UTILS.register_module()
class InputSizeMaskReader:
    """Threshold at the size of the model's input, then resize by nearest neighbour.

    MTTR makes its masks this way, also on A2D-Sentences and JHMDB-Sentences.
    """

    def __call__(
        self, logits: Tensor, threshold: float, *, input_size: Size, file_size: Size
    ) -> Tensor:
        """Return bool masks (T, H0, W0); arguments as for :class:`BilinearMaskReader`."""
        masks = _bilinear(logits, input_size) > threshold
        resized = F.interpolate(masks[:, None].to(torch.uint8), tuple(file_size), mode='nearest')
        return resized[:, 0].bool()


def _bilinear(logits: Tensor, size: tuple[int, int]) -> Tensor:
    resized = F.interpolate(logits[:, None], tuple(size), mode='bilinear', align_corners=False)
    return resized[:, 0]
