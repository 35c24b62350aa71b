"""Build R2-DAVIS: 480p videos of DAVIS with true and false expressions, to measure robustness.

    r2vos data r2-davis --davis data/ref-davis/DAVIS \
        --expressions data/ref-davis/meta_expressions/valid/meta_expressions.json

writes data/r2-davis, with links to frames and masks. --expressions may also be the folder of the
four text files of Ref-DAVIS17. Without --davis, only the pairs file is written. See
docs/datasets.md.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r2vos_mm.data_prep.r2_davis import build_r2_davis, write_r2_davis
from r2vos_mm.utils.cli import check_writable, positive
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.formats.expressions import read_expressions

from .negatives import add_negative_options, read_exclude


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        '--expressions',
        type=Path,
        required=True,
        metavar='PATH',
        help='meta_expressions.json of the validation of Ref-DAVIS17, or the folder of its texts',
    )
    parser.add_argument(
        '--davis',
        type=Path,
        metavar='FOLDER',
        help='DAVIS 2017 with JPEGImages/480p and Annotations/480p (semi-supervised)',
    )
    parser.add_argument(
        '--data-root', type=Path, default=Path('data/r2-davis'), metavar='FOLDER', help='output'
    )
    parser.add_argument(
        '--negatives-per-kind', type=positive(int), default=1, metavar='N', help='default: 1'
    )
    add_negative_options(parser)


def expressions_in(path: Path, problems: ProblemList) -> Mapping[str, Any]:
    """Return the entries of the videos of a file, or of the folder of the four texts."""
    if not path.is_dir():
        return read_expressions(path)
    from r2vos_mm.data_prep.davis import expressions_of, read_all_texts

    texts = read_all_texts(path)
    videos = sorted(set().union(*texts))
    return {v: dict(expressions=expressions_of(v, texts, problems), frames=[]) for v in videos}


def run(args: argparse.Namespace) -> None:
    """Build the data set and print its content."""
    check_writable(args.data_root, what='--data-root', is_folder=True)
    problems = ProblemList(str(args.expressions))
    expressions = expressions_in(args.expressions, problems)
    pairs = build_r2_davis(
        expressions,
        negatives_per_kind=args.negatives_per_kind,
        seed=args.seed,
        exclude=frozenset(read_exclude(args.exclude)),
    )
    masks = write_r2_davis(pairs, expressions, args.data_root, args.davis)
    problems.rows += pairs.problems.rows
    problems.show()
    counts = ', '.join(f'{count} {kind}' for kind, count in pairs.content['counts'].items())
    print(f'{args.data_root}: {counts}\npairs_sha256 {pairs.sha256}')
    if masks:
        print(f'masks_sha256 {masks}')
