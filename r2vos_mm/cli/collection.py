"""Label a collection of videos: ``r2vos predict --manifest``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from r2vos_mm.utils.cli import (
    UsageError,
    UserError,
    cfg_options,
    check_writable,
    messages_on_stderr,
    not_negative,
    positive,
)

from .model_options import choose_model

OPTIONS = ('engine', 'processes', 'max_frames', 'shard_frames', 'max_failures')


def add_collection_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--manifest`` and the options that go with it."""
    group = parser.add_argument_group('collections (docs/collections.md)')
    group.add_argument(
        '--manifest',
        type=Path,
        help='JSON Lines or CSV with id, video and expressions of many videos, or a folder of '
        'videos; takes the place of VIDEO, and expressions are for rows without any. Run the '
        'same line again to continue',
    )
    group.add_argument(
        '--engine',
        choices=('local', 'torchrun', 'slurm', 'ray'),
        help='what starts the processes (default: local)',
    )
    group.add_argument(
        '--processes',
        type=positive(int),
        help='processes of local, actors of ray (default: 1)',
    )
    group.add_argument(
        '--max-frames',
        type=positive(int),
        help='frames above which a video is split between processes (default: 3600)',
    )
    group.add_argument(
        '--shard-frames', type=positive(int), help='frames per file of rows (default: 2000)'
    )
    group.add_argument(
        '--max-failures',
        type=not_negative,
        help='end the run when more videos than this have failed (default: no limit)',
    )


def label(args: argparse.Namespace) -> None:
    """Label the collection and print the summary.

    Raises:
        UsageError: an option, the manifest or the model cannot be used.
        UserError: no video could be segmented.
        TooManyFailuresError: more videos failed than ``--max-failures``.
    """
    from r2vos_mm.apis.collection import label_collection

    _refuse(args, 'save', 'fps', because='does not apply to --manifest')
    if args.engine in ('torchrun', 'slurm'):
        _refuse(args, 'processes', because=f'does not apply to --engine {args.engine}')
    if args.out_dir is None:
        raise UsageError('--manifest needs --out, the folder of the collection')
    check_writable(args.out_dir, what='--out-dir', is_folder=True)
    note = choose_model(args)
    if note is not None:
        print(f'note: {note}', file=sys.stderr)
    given = {name: getattr(args, name) for name in OPTIONS if getattr(args, name) is not None}
    with messages_on_stderr():
        summary = label_collection(
            args.manifest,
            args.out_dir,
            args.config,
            args.checkpoint,
            texts=[text for text in (args.video, *args.texts) if text is not None],
            device=args.device,
            dtype=args.precision,
            frames_per_pass=args.frames_per_pass,
            cfg_options=cfg_options(args.cfg_options),
            **given,
        )
    print(json.dumps(summary) if args.json else _line(summary, args.out_dir))
    if summary['failed'] == summary['in_manifest']:
        raise UserError(f'no video could be segmented: see {args.out_dir / "failures.jsonl"}')


def refuse_collection_options(args: argparse.Namespace) -> None:
    """Raise UsageError if an option is given that needs ``--manifest``."""
    _refuse(args, *OPTIONS, because='needs --manifest')


def _refuse(args: argparse.Namespace, *names: str, because: str) -> None:
    for name in names:
        if getattr(args, name) is not None:
            raise UsageError(f'--{name.replace("_", "-")} {because}')


def _line(summary: dict[str, Any], folder: Path) -> str:
    failed = f', {summary["failed"]} failed (failures.jsonl)' if summary['failed'] else ''
    return (
        f'{folder}: {summary["videos"]} of {summary["in_manifest"]} videos{failed}, '
        f'{summary["rows"]} rows in {summary["shards"]} shards'
    )
