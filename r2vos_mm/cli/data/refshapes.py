"""Generate RefShapes, a synthetic data set in the layout of Refer-YouTube-VOS.

    r2vos data refshapes data/refshapes
    r2vos data refshapes data/tiny --train 20 --valid 5 --size 64

The defaults take about a minute on two cores.
"""

import argparse
import time

from r2vos_mm.utils.cli import UsageError, check_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('root', nargs='?', default='data/refshapes', help='folder to write to')
    parser.add_argument('--train', type=int, default=1500, help='videos for training (0: none)')
    parser.add_argument('--valid', type=int, default=100, help='videos for validation (0: none)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--size',
        type=int,
        nargs='+',
        default=[128],
        metavar='PIXELS',
        help='height and width of the frames, or one number for both',
    )
    parser.add_argument('--length', type=int, default=8, help='frames per video')
    parser.add_argument(
        '--num-objects',
        type=int,
        nargs=2,
        default=[2, 5],
        metavar=('LOW', 'HIGH'),
        help='objects per video',
    )
    parser.add_argument('--sentences-per-object', type=int, default=4)
    parser.add_argument('--negatives-per-kind', type=int, default=1)
    parser.add_argument(
        '--workers', type=int, default=2, help='processes; they do not change the result'
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace a RefShapes data set generated with other parameters',
    )
    parser.add_argument('--quiet', action='store_true', help='no progress bar')


def run(args: argparse.Namespace) -> None:
    """Generate the data set and print its content."""
    if len(args.size) > 2:
        raise UsageError('--size takes one or two numbers')
    splits = {name: getattr(args, name) for name in ('train', 'valid') if getattr(args, name)}
    start = time.perf_counter()
    check_writable(args.root, what='root', is_folder=True)

    from r2vos_mm.refshapes import make_refshapes

    summary = make_refshapes(
        args.root,
        splits=splits,
        seed=args.seed,
        size=(args.size[0], args.size[-1]),
        length=args.length,
        num_objects=tuple(args.num_objects),
        sentences_per_object=args.sentences_per_object,
        negatives_per_kind=args.negatives_per_kind,
        workers=args.workers,
        overwrite=args.overwrite,
        progress=not args.quiet,
    )
    verb = f'made in {time.perf_counter() - start:.1f} s' if summary.created else 'already there'
    print(f'RefShapes in {summary.root}: {verb}')
    for split, counts in summary.counts.items():
        print(f'  {split}: ' + ', '.join(f'{name} {value}' for name, value in counts.items()))
