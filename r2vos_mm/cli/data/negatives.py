"""Add the options that commands generating negative pairs share."""

import argparse
from pathlib import Path

from r2vos_mm.data_prep.r2_pairs import DEFAULT_SEED
from r2vos_mm.utils.files import read_json


def add_negative_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--seed``, and ``--exclude`` to be read by :func:`read_exclude`."""
    parser.add_argument('--seed', default=DEFAULT_SEED, help='any text (default: %(default)s)')
    parser.add_argument(
        '--exclude',
        type=Path,
        metavar='FILE',
        help='JSON list of ids of negative pairs that are actually true',
    )


def read_exclude(path: Path | None) -> list[str]:
    """Return the pair ids of an exclude file; none without one.

    Raises:
        ValueError: it holds something else.
    """
    if path is None:
        return []
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(item, str) for item in content):
        raise ValueError(f'{path} is not a list of pair ids, e.g. ["bear/0/n0"]')
    return content
