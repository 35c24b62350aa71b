"""Convert official downloads to the layout of a data set.

    r2vos data prepare ref-youtube-vos --download-dir ~/Downloads/rvos

Archives are unpacked and unpacked folders are linked. Nothing is moved or deleted, and existing
files are kept. Run ``r2vos data check`` afterwards.
"""

import argparse
import sys
from pathlib import Path

from r2vos_mm.data_prep.known_sets import KNOWN_SETS
from r2vos_mm.utils.cli import check_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('name', choices=list(KNOWN_SETS), help='data set')
    parser.add_argument(
        '--download-dir',
        type=Path,
        required=True,
        metavar='FOLDER',
        help='folder with the downloads, as archives or unpacked',
    )
    parser.add_argument(
        '--data-root',
        type=Path,
        metavar='FOLDER',
        help='output folder (default: data/<usual name of the data set>)',
    )
    parser.add_argument('--quiet', action='store_true', help='no progress bar')


def run(args: argparse.Namespace) -> int:
    """Prepare the data set and print the result; return 1 if something is missing."""
    data_root = args.data_root or Path('data') / KNOWN_SETS[args.name].folder
    check_writable(data_root, what='--data-root', is_folder=True)

    from r2vos_mm.data_prep.prepare import prepare

    report = prepare(args.name, args.download_dir, data_root, progress=not args.quiet)
    report.problems.show()
    print(
        f'{data_root}: {report.written} files unpacked, {report.linked} linked, '
        f'{report.already} already there'
    )
    for part in report.missing:
        print(
            f'missing: {part.place} is in no download in {args.download_dir}; download it from '
            f'{part.page}',
            file=sys.stderr,
        )
    return 1 if report.missing else 0
