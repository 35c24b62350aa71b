r"""Pack the files of a data set into one LMDB database, and check such a database.

    r2vos data lmdb data/ref-youtube-vos data/ref-youtube-vos.lmdb
    r2vos data lmdb --check data/ref-youtube-vos.lmdb

Data sets read it with data_root='' and backend_args=dict(backend='lmdb_files', db_path=...).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from r2vos_mm.utils.cli import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('paths', nargs='+', type=Path, metavar='FOLDER OUT', help='see above')
    parser.add_argument(
        '--check', action='store_true', help='read a database, and compare count and hash'
    )


def run(args: argparse.Namespace) -> None:
    """Pack or check, and print numbers and hash."""
    from r2vos_mm.data_prep.lmdb_files import check_lmdb, write_lmdb

    if len(args.paths) != 2 - args.check:
        raise UsageError('give FOLDER and OUT, or with --check a database')
    summary = check_lmdb(*args.paths) if args.check else write_lmdb(*args.paths)
    done = 'is intact' if args.check else 'written'
    print(f'{args.paths[-1]} {done}: {summary.files:,} files, {summary.bytes:,} bytes')
    print(f'SHA-256 {summary.sha256}')
