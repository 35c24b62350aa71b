"""Parse the options that choose a model, for commands that segment videos."""

from __future__ import annotations

import argparse
from pathlib import Path

from r2vos_mm.apis.build_model import add_device_options, holds_weights
from r2vos_mm.engine.model_index import (
    DEFAULT_MODEL,
    SHAPES_MODEL,
    config_file,
    default_model,
    is_of_refshapes,
    shipped_weights,
)
from r2vos_mm.utils.cli import UsageError, existing_file, probability


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--config`` (or ``--model``) and ``--checkpoint`` (or ``--weights``)."""
    parser.add_argument(
        '--config',
        '--model',
        help='config file, name that r2vos models lists, released checkpoint, or folder of '
        f'save_pretrained (default: {DEFAULT_MODEL.name}, or {SHAPES_MODEL.name} for videos of '
        'RefShapes)',
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


def choose_model(args: argparse.Namespace, video: str | None = None) -> str | None:
    """Set the paths of config and checkpoint.

    Returns:
        A note about what a shipped model does not know, unless it fits the video; or None.

    Raises:
        UsageError: a model without a checkpoint, there is no such model, or fewer than one frame
            per pass.
    """
    if args.frames_per_pass is not None and args.frames_per_pass < 1:
        raise UsageError(f'--frames-per-pass must be at least 1, got {args.frames_per_pass}')
    if args.config is None and args.checkpoint is not None:
        raise UsageError('--checkpoint requires the --config that it was trained with')
    for name in ('gate_threshold', 'verdict'):
        if getattr(args, name) is not None:
            args.cfg_options.append(f'model.test_cfg.{name}={getattr(args, name)}')
    if args.config is not None and holds_weights(args.config):
        return None
    args.config = config_file(args.config or default_model(video).name)
    note = None
    if args.checkpoint is None:
        args.checkpoint = shipped_weights(args.config)
        note = _note(args.config, video)
    if args.checkpoint is None:
        raise UsageError('--config requires the --checkpoint that was trained with it')
    existing_file(args.checkpoint, what='Checkpoint')
    return note


def _note(config: Path, video: str | None) -> str | None:
    for model in (DEFAULT_MODEL, SHAPES_MODEL):
        if config == config_file(model.name):
            fits = model is SHAPES_MODEL and video is not None and is_of_refshapes(video)
            return None if fits else model.note
    return None
