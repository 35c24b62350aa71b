"""Train a model: ``r2vos train configs/r2vos_swin_b.py``."""

import argparse
from typing import TYPE_CHECKING

from r2vos_mm.utils.cli import UsageError, add_run_options

if TYPE_CHECKING:
    from mmengine.config import Config

_PLAIN_WRAPPERS = ('OptimWrapper', 'AmpOptimWrapper', 'AutocastOptimWrapper')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('config', help='config file, or a name that r2vos models lists')
    add_run_options(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='resume from a checkpoint, or from the newest readable one in a work folder; without '
        'a path, in the work folder of this run; without a checkpoint there, start a new training',
    )
    parser.add_argument(
        '--new-schedule',
        action='store_true',
        help='with --resume: follow the learning rates and schedule of the config from here on, '
        'not those of the checkpoint',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision, on GPU or CPU')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the batch size relative to auto_scale_lr.base_batch_size',
    )
    parser.add_argument('--seed', type=int, help='random seed, overrides randomness.seed')
    parser.add_argument(
        '--max-minutes',
        type=float,
        help='end training after this many minutes, with the final checkpoint and validation',
    )


def apply_training_options(cfg: 'Config', args: argparse.Namespace) -> None:
    """Apply the options of the command line to ``cfg``.

    Raises:
        UsageError: an option does not apply to the config, or a file does not exist.
    """
    from r2vos_mm.engine.work_folder import choose_start

    choose_start(cfg, args.resume)
    if args.new_schedule:
        hook = {'type': 'ResumedSettingsHook', 'new_schedule': True}
        cfg.default_hooks = {**cfg.get('default_hooks', {}), 'resumed_settings': hook}
    if args.amp:
        use_mixed_precision(cfg)
    if args.auto_scale_lr:
        if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
            raise UsageError('--auto-scale-lr: the config has no auto_scale_lr.base_batch_size')
        cfg.auto_scale_lr.enable = True
    if args.seed is not None:
        cfg.randomness = {**cfg.get('randomness', {}), 'seed': args.seed}
    if args.max_minutes is not None:
        limit = {'type': 'TimeLimitHook', 'max_minutes': args.max_minutes}
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), limit]


def use_mixed_precision(cfg: 'Config') -> None:
    """Use bfloat16 if the device computes it natively.

    GPUs without native bfloat16 use float16 with loss scaling, other devices use float32.

    Raises:
        UsageError: the config has a custom optimizer wrapper.
    """
    import torch

    from r2vos_mm.utils.precision import native_bfloat16

    wrapper = cfg.optim_wrapper
    if wrapper.get('type', 'OptimWrapper') not in _PLAIN_WRAPPERS:
        raise UsageError(f'--amp: the config has a custom optim_wrapper, {wrapper.type}')
    if torch.cuda.is_available() and not native_bfloat16('cuda')[0]:
        wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
        wrapper.pop('dtype', None)
    else:
        wrapper.update(type='AutocastOptimWrapper', dtype='auto')


def run(args: argparse.Namespace) -> None:
    """Train in the work folder, which is locked for the time."""
    from r2vos_mm.apis.released_runs import build_released_runner
    from r2vos_mm.compat.distributed import lost_processes
    from r2vos_mm.engine import load_config
    from r2vos_mm.engine.work_folder import last_words, locked_work_folder
    from r2vos_mm.utils.logging import quiet
    from r2vos_mm.utils.processes import loader_workers
    from r2vos_mm.utils.signals import ended_by_signals

    with quiet():
        cfg = load_config(args)
        stops = ended_by_signals(lambda: last_words(cfg))
        with stops, locked_work_folder(cfg), loader_workers(), lost_processes():
            apply_training_options(cfg, args)
            build_released_runner(cfg, training=True).train()
