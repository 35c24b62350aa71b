"""What the command lines of tools that run a tested model on some videos have in common."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import DictAction

from r2vos_mm.engine.launch import UsageError, existing_file
from r2vos_mm.models.segmentors import ReferringVideoSegmentor

from .inference import PRECISIONS, init_model


def model_parser(description: str) -> argparse.ArgumentParser:
    """A parser of config, checkpoint, number of videos, device, precision, output and overrides."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument(
        '--num-videos',
        type=int,
        default=20,
        help='videos, spread over the test set (default: %(default)s)',
    )
    parser.add_argument('--device', default='auto', help='(default: %(default)s)')
    parser.add_argument('--precision', choices=PRECISIONS, help='(default: as the config tests)')
    parser.add_argument('--out', type=Path, help='JSON file for the figures')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='settings that override the config, as key=value',
    )
    return parser


def model_of(args: argparse.Namespace) -> ReferringVideoSegmentor:
    """The model that the arguments of :func:`model_parser` name, ready to test.

    Raises:
        UsageError: fewer than one video, or a file is missing.
        CheckpointError: the checkpoint does not fit the config.
    """
    if args.num_videos < 1:
        raise UsageError('--num-videos is at least 1')
    return init_model(
        existing_file(args.config, what='Config'),
        existing_file(args.checkpoint, what='Checkpoint'),
        device=args.device,
        cfg_options=args.cfg_options,
    )


def write_figures(path: Path | None, figures: Mapping) -> None:
    """Write the figures as JSON; None writes nothing."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=2) + '\n')
