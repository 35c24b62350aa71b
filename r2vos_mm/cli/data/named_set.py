"""Parse which data set a command reads: a public one by its name, or your own."""

from __future__ import annotations

import argparse
from pathlib import Path

from r2vos_mm.data_prep.known_sets import KNOWN_SETS, KnownSet
from r2vos_mm.utils.cli import UsageError

OTHER = 'other'


def add_named_set(parser: argparse.ArgumentParser) -> None:
    """Add the name of a data set and ``--data-root``, to be read by :func:`named_set`."""
    parser.add_argument(
        'name',
        choices=[*KNOWN_SETS, OTHER],
        help=f'data set; {OTHER}: your own data in the layout of Refer-YouTube-VOS',
    )
    parser.add_argument(
        '--data-root', type=Path, metavar='FOLDER', help='its folder (default: data/<name>)'
    )


def named_set(args: argparse.Namespace) -> tuple[KnownSet | None, Path]:
    """Return what is known of the data set, None for your own, and its folder.

    Raises:
        UsageError: your own data set has no folder.
    """
    known = KNOWN_SETS.get(args.name)
    if known is None and args.data_root is None:
        raise UsageError(f'{OTHER} needs --data-root')
    return known, args.data_root or Path('data') / known.folder
