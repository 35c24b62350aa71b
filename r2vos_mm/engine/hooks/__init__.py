"""Hook into the Runner: checkpoints, exact resume, preemption, logs, time limit, visualization."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'checkpoint_hook': ['SafeCheckpointHook'],
        'exact_resume_hook': ['ExactResumeHook'],
        'finite_loss_hook': ['FiniteLossHook'],
        'preemption_hook': ['PreemptionHook'],
        'progress_logger_hook': ['ProgressLoggerHook'],
        'resumed_settings_hook': ['ResumedSettingsHook'],
        'spool_hook': ['SpoolHook'],
        'time_limit_hook': ['TimeLimitHook'],
        'visualization_hook': ['ReferringVisualizationHook'],
    },
)
