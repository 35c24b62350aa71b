"""Turns official downloads into the layout of a data set.

    python tools/dataset_converters/prepare.py ref-youtube-vos --download-dir ~/Downloads/rvos

Archives are unpacked, unpacked folders are linked; nothing is moved or deleted, and what is there
already stays. Afterwards check.py tells whether all is well.
"""

import argparse
import sys
from pathlib import Path

from r2vos_mm.data_prep.prepare import PARTS, prepare
from r2vos_mm.data_prep.verify import KNOWN_SETS


def parse_args() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('name', choices=list(PARTS), help='data set')
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
        help='folder to make (default: data/<usual name of the set>)',
    )
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    return parser.parse_args()


def main() -> int:
    """Prepare and tell what was done; exit status 1 if something is missing or broken."""
    args = parse_args()
    data_root = args.data_root or Path('data') / KNOWN_SETS[args.name].folder
    try:
        report = prepare(args.name, args.download_dir, data_root, progress=not args.quiet)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    if report.problems.rows:
        print(report.problems.table(), file=sys.stderr)
    print(
        f'{data_root}: {report.written} files unpacked, {report.linked} linked, '
        f'{report.already} already there'
    )
    for part in report.missing:
        print(
            f'missing: {part.place}, in no download in {args.download_dir}; it is given out at '
            f'{part.page}',
            file=sys.stderr,
        )
    return 1 if report.missing else 0


if __name__ == '__main__':
    sys.exit(main())
