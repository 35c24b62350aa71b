"""Build R2-DAVIS: 480p videos of DAVIS with true and false expressions, to measure robustness.

    python tools/dataset_converters/build_r2_davis.py \
        --expressions data/ref-davis/meta_expressions/valid/meta_expressions.json \
        --davis data/ref-davis/DAVIS

writes data/r2-davis, with links to frames and masks. --expressions may also be the folder of the
four text files of Ref-DAVIS17. Without --davis, only the pairs file is written. See
docs/datasets.md.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r2vos_mm.data_prep.r2_davis import build_r2_davis, write_r2_davis
from r2vos_mm.data_prep.r2_pairs import DEFAULT_SEED
from r2vos_mm.utils.cli import check_writable, parser_of, positive, short_errors
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.expressions_file import read_expressions
from r2vos_mm.utils.files import read_json


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of(__doc__)
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
    parser.add_argument('--seed', default=DEFAULT_SEED, help='any text (default: %(default)s)')
    parser.add_argument(
        '--exclude',
        type=Path,
        metavar='FILE',
        help='JSON list of ids of negative pairs that are actually true',
    )
    return parser.parse_args()


def expressions_in(path: Path, problems: ProblemList) -> Mapping[str, Any]:
    """Return the entries of the videos of a file, or of the folder of the four texts."""
    if not path.is_dir():
        return read_expressions(path)
    from r2vos_mm.data_prep.davis import expressions_of, read_all_texts

    texts = read_all_texts(path)
    videos = sorted(set().union(*texts))
    return {v: dict(expressions=expressions_of(v, texts, problems), frames=[]) for v in videos}


def main() -> int:
    """Build the data set and print its content."""
    args = parse_args()
    with short_errors(args.debug):
        check_writable(args.data_root, what='--data-root', is_folder=True)
        problems = ProblemList(str(args.expressions))
        expressions = expressions_in(args.expressions, problems)
        exclude = frozenset(read_json(args.exclude) if args.exclude else ())
        pairs = build_r2_davis(
            expressions,
            negatives_per_kind=args.negatives_per_kind,
            seed=args.seed,
            exclude=exclude,
        )
        masks = write_r2_davis(pairs, expressions, args.data_root, args.davis)
    problems.rows += pairs.problems.rows
    if problems.rows:
        print(f'{len(problems.rows)} problem(s):\n{problems.table()}', file=sys.stderr)
    counts = ', '.join(f'{count} {kind}' for kind, count in pairs.content['counts'].items())
    print(f'{args.data_root}: {counts}\npairs_sha256 {pairs.sha256}')
    if masks:
        print(f'masks_sha256 {masks}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
