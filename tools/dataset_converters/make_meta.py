"""Write meta_expressions.json and meta.json of your own videos from a table of expressions.

    python tools/dataset_converters/make_meta.py sentences.csv data/mine

The table has the columns video, obj_id, category (optional) and exp. Frames and masks are expected
in data/mine/train/JPEGImages and data/mine/train/Annotations. See docs/own_videos.md.
"""

import argparse
import sys
from pathlib import Path

from r2vos_mm.utils.cli import check_writable, parser_of, short_errors


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('table', type=Path, help='CSV file')
    parser.add_argument('data_root', type=Path, help='folder of the data set')
    parser.add_argument('--split', default='train', help='split of the data set (default: train)')
    return parser.parse_args()


def main() -> int:
    """Write the files and print their content."""
    args = parse_args()
    with short_errors(args.debug):
        check_writable(args.data_root, what='data_root', is_folder=True)
        from r2vos_mm.data_prep.csv_annotations import make_meta

        files = make_meta(args.table, args.data_root, split=args.split)
        paths = files.save(args.data_root, args.split)
    if files.problems.rows:
        print(
            f'{len(files.problems.rows)} problem(s); the rest is used:\n{files.problems.table()}',
            file=sys.stderr,
        )
    print(files.summary())
    for path in paths:
        print(f'wrote {path}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
