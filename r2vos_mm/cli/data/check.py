"""Check whether a data set is complete and undamaged.

    r2vos data check ref-youtube-vos
    r2vos data check mevis --full
    r2vos data check other --data-root data/mine --full

Read every JSON file, verify that every listed file exists, compare the sizes of all frames and
masks, decode some of them (all with --full), and print how many are ok, missing, broken and unused.
The exit status is 1 if anything is missing or broken. Known faults of the owners' files are listed,
but do not count.
"""

import argparse
import os
import sys

from r2vos_mm.utils.cli import UsageError

from .named_set import add_named_set, named_set


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_named_set(parser)
    opened = parser.add_mutually_exclusive_group()
    opened.add_argument('--full', action='store_true', help='decode all frames and masks')
    opened.add_argument(
        '--sample',
        type=int,
        default=200,
        metavar='N',
        help='decode N frames of each split; 0: read no image (default: 200)',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count() or 1,
        metavar='N',
        help='threads that open files (default: one per core)',
    )


def run(args: argparse.Namespace) -> int:
    """Check the data set and print the result; return 1 if something is missing or broken."""
    if args.sample < 0 or args.workers < 1:
        raise UsageError('--sample must be at least 0 and --workers at least 1')
    known, data_root = named_set(args)
    if not data_root.is_dir():
        where = f'; download it from {known.page}' if known else ''
        raise UsageError(f'{data_root} is not a folder{where}')

    from r2vos_mm.data_prep.verify import check_set

    report = check_set(
        data_root, known=known, workers=args.workers, sample=None if args.full else args.sample
    )
    if report.problems.rows:
        print(f'{report.problems.table()}\n')
    print(f'{data_root}: opened {report.opened} of {report.openable} frames\n{report.table()}')
    if report.is_sound:
        return 0
    print(
        f'error: files of {data_root} are missing or broken, see above: '
        f'{f"download them again from {known.page}" if known else "correct or restore them"}, see '
        'docs/datasets.md',
        file=sys.stderr,
    )
    return 1
