"""Generate positive and negative pairs of videos and expressions, to measure robustness.

    r2vos data pairs \
        --expressions meta_expressions/valid/meta_expressions.json \
        --categories valid/meta.json --negatives-per-positive 3 --out pairs/valid-easy-n3.json

    r2vos data pairs --expressions 'data/coco/refcoco/refs(unc).p' --split val \
        --negatives-per-positive 1 --out data/coco/pairs/refcoco-val-easy-n1.json

Set pairs_file of the data set, such as R2VOSDataset, MeViSDataset or RefCOCODataset, to the result.
See docs/datasets.md and docs/referring_images.md.
"""

import argparse
import statistics
from collections import Counter
from pathlib import Path

from r2vos_mm.data_prep.r2_pairs import KINDS, R2Pairs, build_r2_pairs
from r2vos_mm.datasets.io.refer_files import is_refer_file
from r2vos_mm.datasets.records import is_held_out
from r2vos_mm.utils.cli import UsageError, check_outputs, number
from r2vos_mm.utils.files import read_text, write_json
from r2vos_mm.utils.formats.expressions import read_expressions

from .negatives import add_negative_options, read_exclude

fraction = number(
    float, 'a number between 0 and 1, e.g. 0.05 for five percent', lambda value: 0 < value < 1
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        '--expressions',
        type=Path,
        required=True,
        metavar='FILE',
        help="meta_expressions.json, with or without obj_id, the owners' first release, which "
        'also has the categories, or the references of RefCOCO or gRefCOCO',
    )
    parser.add_argument(
        '--categories',
        type=Path,
        metavar='FILE',
        help='meta.json, the first release or davis_semantics.json (default: those '
        'in --expressions; if it has none, nouns of the expressions)',
    )
    videos = parser.add_mutually_exclusive_group()
    videos.add_argument(
        '--video-ids',
        type=Path,
        metavar='FILE',
        help='the videos to use, one id per line (default: all)',
    )
    videos.add_argument(
        '--holdout',
        type=fraction,
        metavar='FRACTION',
        help="use the videos that video_subset=dict(part='holdout', "
        'fraction=FRACTION) of the dataset keeps',
    )
    parser.add_argument('--negatives-per-positive', type=int, required=True, metavar='N')
    parser.add_argument('--kind', choices=KINDS, default='easy')
    add_negative_options(parser)
    parser.add_argument(
        '--name',
        help='name of the set, written into the file (default: '
        'r2-<dataset>-<split><number of videos>-<kind>-n<N>)',
    )
    parser.add_argument(
        '--dataset',
        help='the data set, written into the file (default: by the '
        'folders that --expressions lies in)',
    )
    parser.add_argument(
        '--split',
        help='its part, e.g. valid (default: by these folders, too; RefCOCO needs it)',
    )
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='the pairs file')
    parser.add_argument(
        '--meta-expressions-out',
        type=Path,
        metavar='FILE',
        help='also a meta_expressions.json with the negatives as additional expressions, '
        'for inference scripts that cannot read pairs files',
    )


def chosen_videos(args: argparse.Namespace) -> list[str] | None:
    """Return the ids of the videos to use, None for all."""
    if args.video_ids is not None:
        return read_text(args.video_ids).split()
    if args.holdout is not None:
        if is_refer_file(args.expressions):
            raise UsageError('--holdout is for videos; choose images by --split or --video-ids')
        return [
            video_id
            for video_id in read_expressions(args.expressions)
            if is_held_out(video_id, args.holdout)
        ]
    return None


def summary(pairs: R2Pairs) -> str:
    """Describe the pairs in a few lines."""
    counts, rows = pairs.content['counts'], pairs.content['pairs']
    uses = Counter(row['video'] for row in rows if row['label'] == 0)
    lines = [
        f'{pairs.content["name"]}: ' + ', '.join(f'{value} {key}' for key, value in counts.items())
    ]
    if pairs.content['source']['split'] is None:
        lines.append('the split of the data set is unknown: name it with --split')
    if uses:
        lines.append(
            f'negatives show {len(uses)} videos, the most used one {max(uses.values())} '
            f'times (median {statistics.median(uses.values()):g})'
        )
    if pairs.content['params']['categories'] == 'lexical':
        lines.append(
            'no categories in the files: nouns of the expressions are used instead (lexical set)'
        )
    lines.append(f'pairs_sha256 {pairs.sha256}')
    return '\n'.join(lines)


def run(args: argparse.Namespace) -> None:
    """Write the files and print their content."""
    check_outputs(args, 'out', 'meta_expressions_out')
    pairs = build_r2_pairs(
        args.expressions,
        categories=args.categories,
        video_ids=chosen_videos(args),
        negatives_per_positive=args.negatives_per_positive,
        kind=args.kind,
        seed=args.seed,
        exclude=read_exclude(args.exclude),
        name=args.name,
        dataset=args.dataset,
        split=args.split,
    )
    write_json(args.out, pairs.content)
    if args.meta_expressions_out:
        write_json(args.meta_expressions_out, pairs.meta_expressions)
    pairs.problems.show()
    print(summary(pairs))
