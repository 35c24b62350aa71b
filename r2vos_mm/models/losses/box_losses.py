"""Compute generalized IoU that is finite and smooth for empty boxes."""

import torch
from mmdet.models.losses.utils import weight_reduce_loss
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from torch import Tensor, nn

from r2vos_mm.registry import MODELS


def aligned_giou(boxes: Tensor, others: Tensor, *, eps: float = 1e-6) -> Tensor:
    r"""Compute the generalized IoU (...) of boxes (..., 4), x1 y1 x2 y2, with their counterparts.

    :math:`\frac{I+\epsilon}{U+\epsilon}-\frac{E-U+\epsilon}{E+\epsilon}` with I, U, E the areas of
    intersection, union and enclosing box (released code; the epsilon of mmdet is elsewhere and
    gives other values for empty boxes), finite for two empty ones. ``eps`` is an area.
    """
    (low, high), (other_low, other_high) = boxes.split(2, dim=-1), others.split(2, dim=-1)
    inner = torch.minimum(high, other_high) - torch.maximum(low, other_low)
    outer = torch.maximum(high, other_high) - torch.minimum(low, other_low)
    intersection = inner.clamp(min=0).prod(dim=-1)
    union = (high - low).prod(dim=-1) + (other_high - other_low).prod(dim=-1) - intersection
    enclosing = outer.prod(dim=-1)
    return (intersection + eps) / (union + eps) - (enclosing - union + eps) / (enclosing + eps)


@MODELS.register_module()
class TubeGIoULoss(nn.Module):
    """1 - GIoU of the boxes of a tube with their targets.

    Unlike ``mmdet.GIoULoss`` it takes relative centre boxes with any leading axes.

    Args:
        eps: see :func:`aligned_giou`.
        reduction: ``'none'``, ``'mean'`` or ``'sum'``.
        loss_weight: factor of the loss.
    """

    def __init__(
        self, *, eps: float = 1e-6, reduction: str = 'mean', loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.eps, self.reduction, self.loss_weight = eps, reduction, loss_weight

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
    ) -> Tensor:
        """Compute the weighted loss, a scalar, or (...) under ``'none'``.

        Args:
            pred: (..., 4) predicted boxes cx, cy, w, h.
            target: (..., 4) target boxes cx, cy, w, h, empty ones allowed.
            weight: (...) weight of each box, such as whether the object is visible in its frame.
            avg_factor: divisor of the sum under ``'mean'``; by default the number of boxes.
        """
        with torch.autocast(pred.device.type, enabled=False):
            boxes, others = (bbox_cxcywh_to_xyxy(x.float()) for x in (pred, target))
            loss = 1 - aligned_giou(boxes, others, eps=self.eps)
        return self.loss_weight * weight_reduce_loss(loss, weight, self.reduction, avg_factor)
