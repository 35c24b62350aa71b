"""Convert between pairs files and SA-Co/VEval, the format of SAM 3's video benchmark.

    r2vos data veval write ref-davis --split valid --out veval.json
    r2vos data veval write mevis --split valid_u \
        --pairs data/mevis/pairs/valid_u-easy-n1.json --out veval.json
    r2vos data veval read veval.json --out pairs.json

write stores the pairs, the names of the frames and, if they are public, the masks of a data set.
read writes a pairs file for pairs_file of VEvalDataset, without loss if write made the file.
"""

import argparse
from collections import Counter
from pathlib import Path

from r2vos_mm.utils.cli import UsageError, check_outputs
from r2vos_mm.utils.files import write_json

from .named_set import add_named_set, named_set


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of both directions."""
    actions = parser.add_subparsers(dest='action', required=True, metavar='{write,read}')
    write = actions.add_parser('write', help='data set to SA-Co/VEval')
    add_named_set(write)
    write.add_argument('--split', default='valid', help='its part (default: %(default)s)')
    write.add_argument(
        '--pairs', type=Path, metavar='FILE', help='pairs file (default: all expressions)'
    )
    read = actions.add_parser('read', help='SA-Co/VEval to a pairs file')
    read.add_argument('file', type=Path, help='SA-Co/VEval file')
    read.add_argument('--name', default='', help='name of the pairs, if the file has none')
    for action in (write, read):
        action.add_argument('--out', type=Path, required=True, metavar='FILE')


def write_veval(args: argparse.Namespace) -> str:
    """Write a SA-Co/VEval file; return what it contains."""
    from r2vos_mm.data_prep.veval import build_veval
    from r2vos_mm.utils.formats.veval import write_veval_file

    known, data_root = named_set(args)
    readers = known.readers if known else {}
    if readers and args.split not in readers:
        raise UsageError(f'{args.name} has no split {args.split}, only {", ".join(readers)}')
    reader = readers.get(args.split, dict(type='R2VOSDataset', split=args.split))
    content = build_veval(reader, data_root, pairs_file=args.pairs)
    write_veval_file(args.out, content)
    positives = sum(pair['num_masklets'] > 0 for pair in content.pairs)
    counts = f'{positives} positive and {len(content.pairs) - positives} negative pairs'
    masks = f'{len(content.annotations)} tracks' if content.annotations else 'no masks'
    return f'{len(content.videos)} videos, {counts}, {masks}'


def pairs_from_veval(args: argparse.Namespace) -> str:
    """Write a pairs file; return what it contains."""
    from r2vos_mm.utils.formats.pairs import pairs_sha256
    from r2vos_mm.utils.formats.veval import pairs_of, read_veval_file

    pairs = pairs_of(read_veval_file(args.file), args.name or args.file.stem)
    pairs.setdefault('pairs_sha256', pairs_sha256(pairs['pairs']))
    write_json(args.out, pairs)
    kinds = Counter(row['kind'] for row in pairs['pairs'])
    return ', '.join(f'{count} {kind}' for kind, count in kinds.items())


def run(args: argparse.Namespace) -> None:
    """Convert a file and print its content."""
    check_outputs(args, 'out')
    summary = write_veval(args) if args.action == 'write' else pairs_from_veval(args)
    print(f'{args.out}: {summary}')
