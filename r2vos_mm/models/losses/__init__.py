"""Losses that MMDetection lacks; configs name its losses as ``mmdet.…``."""

from .box_losses import TubeGIoULoss, aligned_giou
from .relational_losses import CycleContrastiveLoss, RelationalAngleLoss, RelationalDistanceLoss

__all__ = [
    'CycleContrastiveLoss',
    'RelationalAngleLoss',
    'RelationalDistanceLoss',
    'TubeGIoULoss',
    'aligned_giou',
]
