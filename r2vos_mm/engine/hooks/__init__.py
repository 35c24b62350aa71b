"""Hooks of the Runner."""

from r2vos_mm.engine.hooks.checkpoint_hook import SafeCheckpointHook
from r2vos_mm.engine.hooks.exact_resume_hook import ExactResumeHook
from r2vos_mm.engine.hooks.time_limit_hook import TimeLimitHook
from r2vos_mm.engine.hooks.visualization_hook import ReferringVisualizationHook

__all__ = [
    'ExactResumeHook',
    'ReferringVisualizationHook',
    'SafeCheckpointHook',
    'TimeLimitHook',
]
