"""Extend MMEngine's Runner: start of runs, hooks, loops, optimizer wrappers."""

from r2vos_mm.utils import lazy

from . import hooks

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'dump': ['DumpPredictions'],
        'hooks': hooks.__all__,
        'loops': ['AutocastTestLoop', 'AutocastValLoop', 'EpochCountedTrainLoop'],
        'optim_wrappers': ['AutocastOptimWrapper'],
        'config': ['read_config'],
        'run': ['build_runner', 'load_config'],
        'shipped_weights': ['load_shipped'],
    },
)
