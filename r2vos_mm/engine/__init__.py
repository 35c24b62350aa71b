"""What the Runner is made of beyond MMEngine's own parts: hooks, loops, optimizer wrappers."""

from r2vos_mm.engine.hooks import (
    ExactResumeHook,
    ReferringVisualizationHook,
    SafeCheckpointHook,
    TimeLimitHook,
)
from r2vos_mm.engine.loops import EpochCountedTrainLoop
from r2vos_mm.engine.optim_wrappers import AutocastOptimWrapper

__all__ = [
    'AutocastOptimWrapper',
    'EpochCountedTrainLoop',
    'ExactResumeHook',
    'ReferringVisualizationHook',
    'SafeCheckpointHook',
    'TimeLimitHook',
]
