"""Write meta_expressions.json and meta.json of your own videos from a table of expressions.

    r2vos data meta sentences.csv data/mine

The table has the columns video, obj_id, category (optional) and exp. Frames and masks are expected
in data/mine/train/JPEGImages and data/mine/train/Annotations. See docs/own_videos.md.
"""

import argparse
from pathlib import Path

from r2vos_mm.utils.cli import check_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('table', type=Path, help='CSV file')
    parser.add_argument('data_root', type=Path, help='folder of the data set')
    parser.add_argument('--split', default='train', help='split of the data set (default: train)')


def run(args: argparse.Namespace) -> None:
    """Write the files and print their content."""
    check_writable(args.data_root, what='data_root', is_folder=True)

    from r2vos_mm.data_prep.csv_annotations import make_meta

    files = make_meta(args.table, args.data_root, split=args.split)
    paths = files.save(args.data_root, args.split)
    files.problems.show()
    print(files.summary())
    for path in paths:
        print(f'wrote {path}')
