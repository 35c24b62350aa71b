"""Train a model: ``python tools/train.py configs/r2vos_swin_b.py``."""

import argparse

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from r2vos_mm.engine.launch import (
    UsageError,
    add_common_arguments,
    existing_file,
    load_config,
    short_errors,
)
from r2vos_mm.utils.weights import fetch_pretrained

_START = 'load_from (--cfg-options load_from=None starts without it):'
_PLAIN_WRAPPERS = ('OptimWrapper', 'AmpOptimWrapper', 'AutocastOptimWrapper')


def parse_args() -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    add_common_arguments(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='go on from a checkpoint; without a path, from the last one in the work folder',
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
        help='end training after so many minutes, with the final checkpoint and validation',
    )
    return parser.parse_args()


def apply_training_options(cfg: Config, args: argparse.Namespace) -> None:
    """Write the options of the command line into ``cfg``.

    Raises:
        UsageError: an option does not go with the config, or names a missing file.
    """
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None
        if args.resume != 'auto':
            cfg.load_from = existing_file(args.resume, what='Checkpoint')
    elif cfg.get('load_from'):
        existing_file(cfg.load_from, what=_START)
    if args.amp:
        use_mixed_precision(cfg)
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise UsageError('--auto-scale-lr: the config has no auto_scale_lr.base_batch_size')
        cfg.auto_scale_lr.enable = True
    if args.seed is not None:
        cfg.randomness = {**cfg.get('randomness', {}), 'seed': args.seed}
    if args.max_minutes is not None:
        limit = {'type': 'TimeLimitHook', 'max_minutes': args.max_minutes}
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), limit]


def use_mixed_precision(cfg: Config) -> None:
    """bfloat16 where the device has it (CPUs do), else float16 with loss scaling.

    Raises:
        UsageError: the config has an optimizer wrapper of its own.
    """
    wrapper = cfg.optim_wrapper
    if wrapper.get('type', 'OptimWrapper') not in _PLAIN_WRAPPERS:
        raise UsageError(f'--amp: the config has an optim_wrapper of its own, {wrapper.type}')
    if torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
    else:
        wrapper.update(type='AutocastOptimWrapper', dtype='bfloat16')


def main() -> None:
    """Train as the command line says."""
    args = parse_args()
    with short_errors():
        cfg = load_config(args)
        apply_training_options(cfg, args)
        fetch_pretrained(cfg.model)
        Runner.from_cfg(cfg).train()


if __name__ == '__main__':
    main()
