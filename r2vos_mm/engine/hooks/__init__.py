"""Hook into the Runner: checkpoints, exact resume, preemption, logs, time limit, visualization."""

from .checkpoint_hook import SafeCheckpointHook
from .exact_resume_hook import ExactResumeHook
from .finite_loss_hook import FiniteLossHook
from .preemption_hook import PreemptionHook
from .progress_logger_hook import ProgressLoggerHook
from .resumed_settings_hook import ResumedSettingsHook
from .spool_hook import SpoolHook
from .time_limit_hook import TimeLimitHook
from .visualization_hook import ReferringVisualizationHook

__all__ = [
    'ExactResumeHook',
    'FiniteLossHook',
    'PreemptionHook',
    'ProgressLoggerHook',
    'ReferringVisualizationHook',
    'ResumedSettingsHook',
    'SafeCheckpointHook',
    'SpoolHook',
    'TimeLimitHook',
]
