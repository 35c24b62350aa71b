"""What the Runner is made of beyond MMEngine's own parts: hooks, loops, optimizer wrappers."""

from .hooks import ExactResumeHook, ReferringVisualizationHook, SafeCheckpointHook, TimeLimitHook
from .loops import AutocastTestLoop, AutocastValLoop, EpochCountedTrainLoop
from .optim_wrappers import AutocastOptimWrapper

__all__ = [
    'AutocastOptimWrapper',
    'AutocastTestLoop',
    'AutocastValLoop',
    'EpochCountedTrainLoop',
    'ExactResumeHook',
    'ReferringVisualizationHook',
    'SafeCheckpointHook',
    'TimeLimitHook',
]
