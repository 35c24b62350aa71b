"""Compare tested runs, or describe one, in a self-contained HTML file.

    r2vos test CONFIG CHECKPOINT --work-dir runs/a --out runs/a/pairs.csv runs/a/masks.pkl
    r2vos compare runs/a runs/b --out report.html

RUN is the work folder of a test that wrote the scores of its pairs, or such a CSV. Differences are
to the first run. The file holds metrics with intervals, charts, the worst pairs with frames,
settings that differ, environments and hashes; it needs no network.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from r2vos_mm.utils.cli import UsageError, check_outputs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('runs', nargs='+', type=Path, metavar='RUN', help='see above')
    parser.add_argument(
        '--out', type=Path, default=Path('report.html'), help='file (default: %(default)s)'
    )
    parser.add_argument('--names', nargs='+', default=[], help='one name per run')
    parser.add_argument(
        '--data-root', type=Path, help='folder of the data, instead of that in the config'
    )
    parser.add_argument(
        '--masks',
        nargs='+',
        default=[],
        type=Path,
        help='predicted masks, one path per run: a .pkl of r2vos test, or what r2vos gate reads',
    )
    parser.add_argument(
        '--worst',
        type=int,
        default=20,
        metavar='N',
        help='worst pairs and false alarms per run, 0 for none (default: %(default)s)',
    )


def run(args: argparse.Namespace) -> None:
    """Write the report."""
    check_outputs(args, 'out')
    if args.worst < 0:
        raise UsageError('--worst must not be negative')

    from r2vos_mm.report import compare_runs

    options = dict(names=args.names, data_root=args.data_root, masks=args.masks)
    print(compare_runs(args.runs, args.out, num_worst=args.worst, **options))
