"""Hook into the Runner: checkpoints, exact resume, logs, time limit, visualization."""

from .checkpoint_hook import SafeCheckpointHook
from .exact_resume_hook import ExactResumeHook
from .progress_logger_hook import ProgressLoggerHook
from .time_limit_hook import TimeLimitHook
from .visualization_hook import ReferringVisualizationHook

__all__ = [
    'ExactResumeHook',
    'ProgressLoggerHook',
    'ReferringVisualizationHook',
    'SafeCheckpointHook',
    'TimeLimitHook',
]
