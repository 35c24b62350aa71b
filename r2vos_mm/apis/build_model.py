"""Build the model that a command line names, in tools that run it on some videos."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.engine.model_index import CHECKPOINT_SUFFIXES, config_file
from r2vos_mm.utils.cli import UsageError, add_cfg_options, cfg_options, existing_file, parser_of
from r2vos_mm.utils.precision import PRECISIONS

if TYPE_CHECKING:
    from r2vos_mm.models.segmentors import ReferringVideoSegmentor


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

    from .model_loading import init_model, resolve_model

    source = resolve_model(args.config, args.checkpoint)
    options = cfg_options(args.cfg_options)
    return init_model(source.config, source.weights, device=args.device, cfg_options=options)


def holds_weights(model: str | Path) -> bool:
    """Return whether a model is named by a checkpoint or by a folder of ``save_pretrained``."""
    return Path(model).is_dir() or Path(model).suffix in CHECKPOINT_SUFFIXES
