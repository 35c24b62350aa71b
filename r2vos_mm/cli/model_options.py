"""Parse the options that choose a model, for commands that segment videos."""

from __future__ import annotations

import argparse

from r2vos_mm.apis.build_model import add_device_options, holds_weights
from r2vos_mm.engine.model_index import DEFAULT_MODEL, config_file, shipped_weights
from r2vos_mm.utils.cli import UsageError, existing_file, probability


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--config`` (or ``--model``) and ``--checkpoint`` (or ``--weights``)."""
    parser.add_argument(
        '--config',
        '--model',
        default=DEFAULT_MODEL.name,
        help='config file, name that r2vos models lists, released checkpoint, or folder of '
        'save_pretrained (default: %(default)s)',
    )
    parser.add_argument(
        '--checkpoint', '--weights', help='file or URL (default: that of the named model)'
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verdict, the windows and the device."""
    parser.add_argument(
        '--gate-threshold',
        type=probability,
        help="consensus below which the object is not in the video (default: the model's)",
    )
    parser.add_argument(
        '--verdict',
        choices=('cycle', 'words'),
        help="what consensus is: that of the cycle head or of the word maps (default: the model's)",
    )
    parser.add_argument(
        '--frames-per-pass',
        '--window',
        type=int,
        help='frames per forward pass; fewer need less memory',
    )
    add_device_options(parser)


def choose_model(args: argparse.Namespace) -> str | None:
    """Set the paths of config and checkpoint; return what the default model does not know.

    Returns:
        A note, None if another model was chosen.

    Raises:
        UsageError: a model without a checkpoint, there is no such model, or fewer than one frame
            per pass.
    """
    if args.frames_per_pass is not None and args.frames_per_pass < 1:
        raise UsageError(f'--frames-per-pass must be at least 1, got {args.frames_per_pass}')
    for name in ('gate_threshold', 'verdict'):
        if getattr(args, name) is not None:
            args.cfg_options.append(f'model.test_cfg.{name}={getattr(args, name)}')
    if holds_weights(args.config):
        return None
    args.config = config_file(args.config)
    is_default = args.checkpoint is None and args.config == config_file(DEFAULT_MODEL.name)
    if args.checkpoint is None:
        args.checkpoint = shipped_weights(args.config)
    if args.checkpoint is None:
        raise UsageError('--config requires the --checkpoint that was trained with it')
    existing_file(args.checkpoint, what='Checkpoint')
    return DEFAULT_MODEL.note if is_default else None
