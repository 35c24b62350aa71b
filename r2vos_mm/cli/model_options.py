"""Parse the options that choose a model, for commands that run it on videos, and build it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.engine.model_index import (
    CHECKPOINT_SUFFIXES,
    DEFAULT_MODEL,
    SHAPES_MODEL,
    config_file,
    default_model,
    is_of_refshapes,
    shipped_weights,
)
from r2vos_mm.utils.cli import (
    UsageError,
    add_cfg_options,
    cfg_options,
    existing_file,
    parser_of,
    probability,
)
from r2vos_mm.utils.precision import PRECISIONS

if TYPE_CHECKING:
    from r2vos_mm.models.segmentors import ReferringVideoSegmentor


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


def add_inference_options(parser: argparse.ArgumentParser) -> None:
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


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--device`` and ``--precision``."""
    parser.add_argument('--device', default='auto', help='cpu, cuda, cuda:1 (default: %(default)s)')
    parser.add_argument(
        '--precision',
        choices=PRECISIONS,
        default='auto',
        help='auto: bfloat16 where the config has mixed precision and the device computes it '
        'natively (default: %(default)s)',
    )


def model_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of config, checkpoint, number of videos, device, output and overrides."""
    parser = parser_of(description)
    parser.add_argument('config', help='config file, or name of a listed model')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument(
        '--num-videos',
        type=int,
        default=20,
        help='videos, spread over the test set (default: %(default)s)',
    )
    add_device_options(parser)
    parser.add_argument('--out', type=Path, help='JSON file for the results')
    add_cfg_options(parser)
    return parser


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


def build_model(args: argparse.Namespace) -> ReferringVideoSegmentor:
    """Return the model that the arguments of :func:`model_parser` name, ready to test.

    Raises:
        UsageError: fewer than one video, or a file is missing.
        CheckpointReadError, CheckpointMismatchError: the checkpoint does not fit the config.
    """
    if getattr(args, 'num_videos', 1) < 1:
        raise UsageError('--num-videos is at least 1')
    if not holds_weights(args.config):
        config_file(args.config)
        existing_file(args.checkpoint, what='Checkpoint')

    from r2vos_mm.apis.model_loading import init_model, resolve_model

    source = resolve_model(args.config, args.checkpoint)
    return init_model(*source, device=args.device, cfg_options=cfg_options(args.cfg_options))


def holds_weights(model: str | Path) -> bool:
    """Return whether a model is named by a checkpoint or by a folder of ``save_pretrained``."""
    return Path(model).is_dir() or Path(model).suffix in CHECKPOINT_SUFFIXES
