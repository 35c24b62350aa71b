"""Compare the released models' numbers with those of this package.

    python tests/parity/check_parity.py r2vos-eval golden/r2vos_eval.pt
    python tests/parity/check_parity.py r2vos-train golden/r2vos_train.pt
    python tests/parity/check_parity.py r2vos-neg golden/neg_rank0.pt golden/neg_rank1.pt ...
    python tests/parity/check_parity.py backbone golden/bb_swin_t_T2.pt
    python tests/parity/check_parity.py referformer-eval golden/rf_r50_eval_div32.pt
    python tests/parity/check_parity.py referformer-train golden/rf_r50_train_b3_padded.pt
    python tests/parity/check_parity.py mttr-eval golden/mttr_eval_div32.pt
    python tests/parity/check_parity.py mttr-train golden/mttr_train_b2_padded.pt

Prints the largest absolute and relative error of every compared quantity. The exit code is 0 when
all are within their tolerances, 1 when one is not, and 2 when they could not be compared: a file is
absent, damaged or no fixture of that kind. ``r2vos-neg`` takes the files of all ranks, in order.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path

import r2vos_mm  # noqa: F401  (makes the ecosystem importable)

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / 'fixtures')]

import mttr_fixtures  # noqa: E402
import referformer_fixtures  # noqa: E402
from backbone_fixtures import check_backbone  # noqa: E402
from comparisons import Report  # noqa: E402
from fixture_files import FixtureError, read_fixture  # noqa: E402
from released_fixtures import check_eval, check_negatives, check_train  # noqa: E402

_ONE_BY_ONE = {
    'r2vos-eval': check_eval,
    'r2vos-train': check_train,
    'backbone': check_backbone,
    'referformer-eval': referformer_fixtures.check_eval,
    'referformer-train': referformer_fixtures.check_train,
    'mttr-eval': mttr_fixtures.check_eval,
    'mttr-train': mttr_fixtures.check_train,
}
_KINDS = (*_ONE_BY_ONE, 'r2vos-neg')


def check(kind: str, files: list[Path]) -> list[Report]:
    """Reports of all fixtures of a kind.

    Raises:
        FixtureError: a file is no fixture of that kind.
    """
    fixtures = [read_fixture(file) for file in files]
    names = [file.name for file in files]
    if kind == 'r2vos-neg':
        return [check_negatives(fixtures, names)]
    return [_ONE_BY_ONE[kind](*pair) for pair in zip(fixtures, names)]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when everything is within its tolerance, 1 or 2 when not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('kind', choices=_KINDS)
    parser.add_argument('fixtures', nargs='+', type=Path, metavar='FIXTURE')
    args = parser.parse_args(arguments)
    try:
        reports = check(args.kind, args.fixtures)
    except FixtureError as error:
        print(error, file=sys.stderr)
        return 2
    # Entries of wrong types fail anywhere; an exception of its own would exit with 1.
    except Exception:
        traceback.print_exc()
        print(
            f'{", ".join(map(str, args.fixtures))}: not comparable as {args.kind}', file=sys.stderr
        )
        return 2
    print(*reports, sep='\n')
    return 0 if all(report.holds for report in reports) else 1


if __name__ == '__main__':
    sys.exit(main())
