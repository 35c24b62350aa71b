r"""Score masks on disk from any method: folders of PNGs, a submission zip, or COCO codes in JSON.

    evaluate_masks.py PRED GT --expressions meta_expressions.json       Refer-YouTube-VOS layout
    evaluate_masks.py PRED valid_u                                      MeViS
    evaluate_masks.py PRED Annotations_unsupervised/480p --protocol davis_unsup
    evaluate_masks.py PRED Annotations/480p --protocol davis_semi
    evaluate_masks.py RESULTS.json ANNOTATIONS.json --protocol a2d
    evaluate_masks.py --compare A B                                     two CSV files of --csv
    evaluate_masks.py GT --compare A B --expressions ...                two sets of predictions

PRED holds ``[Annotations/]<video>/<expression>/<frame>.png`` with values above 0 as foreground.
Predictions that are missing or damaged count as empty and are listed. This tool requires neither
torch nor MMEngine.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from r2vos_mm.apis.scoring import (
    BOUND_TH,
    Outcome,
    VideoScorer,
    find_ground_truth,
    folder_tasks,
    score_expressions,
    score_semi_supervised,
    score_unsupervised,
    score_videos,
)
from r2vos_mm.evaluation.mask_files import (
    GroundTruth,
    MaskFiles,
    PngGroundTruth,
    VideoTask,
    open_masks,
)
from r2vos_mm.evaluation.metrics.comparison import compare_scores, format_comparison
from r2vos_mm.evaluation.metrics.metric_values import EvalSet, MetricValue, metric_values
from r2vos_mm.evaluation.metrics.pair_scores import PairScores
from r2vos_mm.evaluation.metrics.protocols import PROTOCOLS
from r2vos_mm.evaluation.metrics.report import format_table, write_report
from r2vos_mm.evaluation.metrics.scores_csv import (
    append_pairs,
    read_pairs,
    write_objects,
    write_pairs,
)
from r2vos_mm.utils.cli import Progress, UsageError, parser_of, short_errors
from r2vos_mm.utils.data_issues import Problem

Result = TypeVar('Result')
COCO_PROTOCOLS = ('a2d', 'refcoco')
# Protocols with their own input files, which cannot be combined with others.
FOLDER_SCORERS: dict[str, VideoScorer] = {
    'davis_unsup': score_unsupervised,
    'davis_semi': score_semi_supervised,
}
NUM_SHOWN = 20


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('paths', nargs='*', type=Path, metavar='PRED GT', help='see above')
    parser.add_argument(
        '--protocol',
        nargs='+',
        default=['per_expression', 'from_first_appearance'],
        choices=PROTOCOLS,
        help='default: %(default)s',
    )
    parser.add_argument('--expressions', type=Path, help='meta_expressions.json with object ids')
    parser.add_argument('--pairs', type=Path, help='pairs file: adds R on negative pairs')
    parser.add_argument(
        '--groups',
        nargs='+',
        default=[],
        choices=['no_target', 'presence', 'visa'],
        help='additional groups of metrics',
    )
    parser.add_argument(
        '--csv', type=Path, help='write one row per pair; NAME.partial.csv until all are done'
    )
    parser.add_argument('--json', type=Path, help='write a report of all metrics')
    parser.add_argument('--missing', type=Path, help='write the list of unusable predictions')
    parser.add_argument(
        '--strict', action='store_true', help='exit status 1 if predictions are unusable'
    )
    parser.add_argument('--processes', type=int, default=os.cpu_count(), help='default: all cores')
    parser.add_argument('--compare', nargs=2, type=Path, metavar=('A', 'B'), help='see above')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    with short_errors():
        problems = compare(args) if args.compare else evaluate(args)
    if problems and args.strict:
        print(f'error: {len(problems)} problems with --strict', file=sys.stderr)
        raise SystemExit(1)


def evaluate(args: argparse.Namespace) -> list[Problem]:
    """Score one method, print and write the metrics, and list unusable predictions."""
    if len(args.paths) != 2:
        raise UsageError('PRED and GT are required')
    outcome, extra = score(*args.paths, args)
    eval_set = eval_set_of(outcome, args)
    values = [entry for entry in metric_values(eval_set) if not entry.key.startswith('ungated/')]
    # The mAP of the predicted mask alone is not of interest if all masks of a sample are available.
    values = [entry for entry in values if not (extra and entry.key == 'mAP_top1')] + extra
    print(format_table(eval_set, values))
    for entry in extra:
        print(f'  {entry.key:20}{entry.value:>8.2f}')
    if args.csv:
        write_pairs(args.csv, eval_set.pairs)
        partial_csv(args).unlink(missing_ok=True)
        if eval_set.objects:
            write_objects(args.csv.with_suffix('.objects.csv'), eval_set.objects)
    if args.json:
        write_report(args.json, eval_set, values, bound_th=BOUND_TH)
    report(outcome.problems, args.missing)
    return outcome.problems


def compare(args: argparse.Namespace) -> list[Problem]:
    """Print two methods side by side, each a CSV of scores or, if GT is given, predictions."""
    if len(args.paths) > 1 or set(args.protocol) & {*COCO_PROTOCOLS, 'davis_unsup'}:
        raise UsageError('--compare A B takes GT only, and protocols that compute J and F')
    sides: list[list[PairScores]] = []
    problems: list[Problem] = []
    for path in args.compare:
        if args.paths:
            outcome, _ = score(path, args.paths[0], args)
            sides.append(outcome.pairs)
            report(outcome.problems, None)
            problems += outcome.problems
        else:
            sides.append(checked(read_pairs, path))
    differences = checked(compare_scores, *sides)
    print('all frames of a pair, mean over pairs; bootstrap over videos')
    print(format_comparison(differences, tuple(path.stem or str(path) for path in args.compare)))
    return problems


def score(pred: Path, gt: Path, args: argparse.Namespace) -> tuple[Outcome, list[MetricValue]]:
    """Score one method; COCO results have additional metrics."""
    protocols = set(args.protocol)
    for alone in (*({name} for name in FOLDER_SCORERS), set(COCO_PROTOCOLS)):
        if protocols & alone and protocols - alone:
            raise UsageError(f'protocol {" ".join(sorted(alone))} needs other files: run it alone')
    if protocols & set(COCO_PROTOCOLS):
        from r2vos_mm.evaluation.coco_results import extra_values, score_results

        pairs, masks, problems = checked(score_results, pred, gt)
        return Outcome(pairs, [], problems), extra_values(pairs, masks, args.protocol[0])
    masks, name = checked(open_masks, pred), args.protocol[0]
    if name in FOLDER_SCORERS:
        truth, tasks = PngGroundTruth(gt), checked(folder_tasks, gt)
        return run(FOLDER_SCORERS[name], tasks, masks, truth, args), []
    truth, tasks = checked(find_ground_truth, gt, args.expressions, args.pairs)
    return run(score_expressions, tasks, masks, truth, args), []


def run(
    scorer: VideoScorer,
    tasks: list[VideoTask],
    masks: MaskFiles,
    truth: GroundTruth,
    args: argparse.Namespace,
) -> Outcome:
    """Score all videos with progress on stderr; write finished videos to the partial CSV."""
    outcome, partial = Outcome(), partial_csv(args)
    if partial:
        partial.unlink(missing_ok=True)
    bar, processes = Progress(len(tasks), 'videos'), min(args.processes, len(tasks))
    outcomes = score_videos(scorer, tasks, masks, truth, processes=processes)
    for done, part in enumerate(outcomes, start=1):
        if partial:
            append_pairs(partial, part.pairs)
        outcome.add(part)
        bar.update(done)
    outcome.pairs.sort(key=lambda pair: pair.pair_id)
    outcome.objects.sort(key=lambda entry: entry.pair_id)
    outcome.problems.sort(key=lambda problem: problem.where)
    return outcome


def partial_csv(args: argparse.Namespace) -> Path | None:
    """Return the CSV for the scores of finished videos, None for comparisons."""
    return args.csv.with_suffix('.partial.csv') if args.csv and not args.compare else None


def eval_set_of(outcome: Outcome, args: argparse.Namespace) -> EvalSet:
    """Return the scores with the requested protocols and groups."""
    if not outcome.pairs and not outcome.objects:
        report(outcome.problems, args.missing)
        raise UsageError('no video could be scored')
    groups = ('quality', *args.groups)
    eval_set = EvalSet(outcome.pairs, outcome.objects, tuple(args.protocol), groups)
    return replace(eval_set, groups=(*groups, 'robustness')) if eval_set.negatives else eval_set


def report(problems: list[Problem], path: Path | None) -> None:
    """Print the number of problems and the first of them; write all of them to ``path``."""
    if path is not None:
        path.write_text(''.join(f'{problem}\n' for problem in problems), encoding='utf-8')
    if problems:
        print(f'\n{len(problems)} problems, which are included in the metrics above:')
        for problem in problems[:NUM_SHOWN]:
            print(f'  {problem}')
        if len(problems) > NUM_SHOWN:
            print(f'  ... and {len(problems) - NUM_SHOWN} more; --missing FILE lists all')


def checked(function: Callable[..., Result], *args: Any) -> Result:
    """Call ``function`` and convert its ValueErrors to UsageErrors."""
    try:
        return function(*args)
    except ValueError as error:
        raise UsageError(str(error)) from error


if __name__ == '__main__':
    main()
