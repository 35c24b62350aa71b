"""Losses that the ecosystem does not have; the others are configured by their own names."""

from .box_losses import TubeGIoULoss, aligned_giou
from .contrastive_loss import CycleContrastiveLoss
from .relational_losses import RelationalAngleLoss, RelationalDistanceLoss

__all__ = [
    'CycleContrastiveLoss',
    'RelationalAngleLoss',
    'RelationalDistanceLoss',
    'TubeGIoULoss',
    'aligned_giou',
]
