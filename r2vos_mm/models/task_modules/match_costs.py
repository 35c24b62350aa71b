"""Compute the costs of matching a query with the object of its pair over a whole clip.

Each cost maps (:class:`QueryPredictions`, :class:`PairTargets`), all in float32, to (P, N). The
costs of mmdet compare all predictions with all targets of one image, P times more than is needed
here; only its classification cost fits and is used.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmdet.models.task_modules.assigners import FocalLossCost
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.structures import InstanceData
from torch import Tensor

from r2vos_mm.registry import TASK_UTILS
from r2vos_mm.structures import PairTargets, QueryPredictions

from ..losses.box_losses import aligned_giou


def mean_over_frames(costs: Tensor, valid: Tensor, absent_frame_weight: float = 0.0) -> Tensor:
    """Average the costs (P, T, N) of frames to (P, N), 0 where all weights are 0.

    Frames with the object, ``valid`` (P, T), have weight 1, the others ``absent_frame_weight``.
    """
    weights = torch.where(valid, 1.0, absent_frame_weight)
    total, amount = (costs * weights[..., None]).sum(dim=1), weights.sum(dim=1)[:, None]
    return total / torch.where(amount > 0, amount, torch.ones_like(amount))


@TASK_UTILS.register_module()
class TubeScoreCost:
    """Focal-style classification cost, averaged over the frames that show the object.

    It is 0 for a pair whose object is never visible.

    Args:
        weight: factor of the cost.
        alpha: balance of positive and negative focal terms.
        gamma: exponent of the focal terms.
    """

    def __init__(self, *, weight: float = 1.0, alpha: float = 0.25, gamma: float = 2.0) -> None:
        self.cost = FocalLossCost(alpha=alpha, gamma=gamma, eps=1e-8, weight=weight)

    def __call__(self, pred: QueryPredictions, target: PairTargets) -> Tensor:
        """Return the (P, N) weighted cost."""
        label = torch.zeros(1, dtype=torch.long, device=pred.scores.device)
        scores = InstanceData(scores=pred.scores.reshape(-1, 1))
        per_frame = self.cost(scores, InstanceData(labels=label))
        return mean_over_frames(per_frame.view_as(pred.scores), target.valid)


@TASK_UTILS.register_module()
@dataclass(kw_only=True)
class TubeL1Cost:
    """L1 distance of boxes, averaged over frames.

    Args:
        weight: factor of the cost.
        absent_frame_weight: weight of frames without the object (1.0 in the released code).
    """

    weight: float = 1.0
    absent_frame_weight: float = 0.0

    def __call__(self, pred: QueryPredictions, target: PairTargets) -> Tensor:
        """Return the (P, N) weighted cost."""
        distances = (pred.boxes - target.boxes[:, :, None]).abs().sum(dim=-1)
        return self.weight * mean_over_frames(distances, target.valid, self.absent_frame_weight)


@TASK_UTILS.register_module()
@dataclass(kw_only=True)
class TubeGIoUCost(TubeL1Cost):
    """Negative generalized IoU of boxes, averaged over frames.

    Args:
        weight, absent_frame_weight: as in :class:`TubeL1Cost`.
        eps: see :func:`r2vos_mm.models.losses.aligned_giou`.
    """

    eps: float = 1e-6

    def __call__(self, pred: QueryPredictions, target: PairTargets) -> Tensor:
        """Return the (P, N) weighted cost."""
        targets = bbox_cxcywh_to_xyxy(target.boxes)[:, :, None]
        giou = aligned_giou(bbox_cxcywh_to_xyxy(pred.boxes), targets, eps=self.eps)
        return -self.weight * mean_over_frames(giou, target.valid, self.absent_frame_weight)


@TASK_UTILS.register_module()
@dataclass(kw_only=True)
class TubeFocalCost:
    """Focal loss of the mask logits, averaged over all cells of all frames.

    Args:
        weight: factor of the cost.
        alpha: balance of foreground and background.
        gamma: exponent of the focal terms.
    """

    weight: float = 1.0
    alpha: float = 0.25
    gamma: float = 2.0

    def __call__(self, pred: QueryPredictions, target: PairTargets) -> Tensor:
        """Return the (P, N) weighted cost."""
        probability = pred.masks.sigmoid()
        # -log(1 - p) = softplus(x) and -log(p) = softplus(-x): exact where p rounds to 0 or 1.
        background = F.softplus(pred.masks).mul_(probability**self.gamma).mul_(1 - self.alpha)
        foreground = F.softplus(-pred.masks).mul_((1 - probability) ** self.gamma).mul_(self.alpha)
        total = background.sum(dim=(1, 3, 4)) + torch.einsum(
            'ptnhw,pthw->pn', foreground.sub_(background), target.masks.to(foreground)
        )
        return self.weight * total / target.masks.shape[1:].numel()


@TASK_UTILS.register_module()
@dataclass(kw_only=True)
class TubeDiceCost:
    """Negative dice coefficient of the whole tube, ``-(2 sum pm + 1) / (sum p + sum m + 1)``.

    Args:
        weight: factor of the cost.
        eps: added to both terms of the ratio, in cells.
    """

    weight: float = 1.0
    eps: float = 1.0

    def __call__(self, pred: QueryPredictions, target: PairTargets) -> Tensor:
        """Return the (P, N) weighted cost."""
        probability = pred.masks.sigmoid()
        masks = target.masks.to(probability)
        overlap = torch.einsum('ptnhw,pthw->pn', probability, masks)
        areas = probability.sum(dim=(1, 3, 4)) + masks.sum(dim=(1, 2, 3))[:, None]
        return -self.weight * (2 * overlap + self.eps) / (areas + self.eps)
