r"""Score masks on disk, from any method: folders of PNGs, a submission zip, or codes in JSON.

    evaluate_masks.py PRED GT --expressions meta_expressions.json       Refer-YouTube-VOS layout
    evaluate_masks.py PRED valid_u                                      MeViS
    evaluate_masks.py PRED Annotations_unsupervised/480p --protocol davis_unsup
    evaluate_masks.py PRED Annotations/480p --protocol davis_semi
    evaluate_masks.py RESULTS.json ANNOTATIONS.json --protocol a2d
    evaluate_masks.py --compare A B                                     two CSVs of --csv
    evaluate_masks.py GT --compare A B --expressions ...                two sets of predictions

PRED holds ``[Annotations/]<video>/<expression>/<frame>.png`` with values above 0 as foreground. A
prediction that is missing or broken counts as empty, and all such are listed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from mmengine.utils import ProgressBar

from r2vos_mm.engine.launch import UsageError, short_errors
from r2vos_mm.evaluation.metrics.figures import Figure, ScoredSet, figures_of
from r2vos_mm.evaluation.metrics.pair_rows import PairRow
from r2vos_mm.evaluation.metrics.protocols import PROTOCOLS
from r2vos_mm.evaluation.metrics.report import format_table, write_report
from r2vos_mm.evaluation.metrics.row_files import (
    append_pairs,
    read_pairs,
    write_objects,
    write_pairs,
)
from r2vos_mm.evaluation.offline import (
    Outcome,
    PairScorer,
    PngTruth,
    Problem,
    SemiSupervisedScorer,
    UnsupervisedScorer,
    VideoScorer,
    VideoTask,
    compare_rows,
    extra_figures,
    find_truth,
    folder_tasks,
    format_comparison,
    open_masks,
    score_results,
    score_videos,
)

Result = TypeVar('Result')
COCO_PROTOCOLS = ('a2d', 'refcoco')
BOUND_TH = 0.008
SHOWN_PROBLEMS = 20


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
        help='further figures',
    )
    parser.add_argument(
        '--csv', type=Path, help='write one row per pair; NAME.partial.csv until all are done'
    )
    parser.add_argument('--json', type=Path, help='write all figures with their protocols')
    parser.add_argument('--missing', type=Path, help='write the list of what could not be used')
    parser.add_argument('--strict', action='store_true', help='exit with 1 if anything is missing')
    parser.add_argument('--processes', type=int, default=os.cpu_count(), help='default: all cores')
    parser.add_argument('--compare', nargs=2, type=Path, metavar=('A', 'B'), help='see above')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate or compare as the command line says."""
    args = parse_args(argv)
    with short_errors():
        problems = compare(args) if args.compare else evaluate(args)
    if problems and args.strict:
        print(f'error: {len(problems)} problems with --strict', file=sys.stderr)
        raise SystemExit(1)


def evaluate(args: argparse.Namespace) -> list[Problem]:
    """Score one method, print and write the figures, and tell what could not be used."""
    if len(args.paths) != 2:
        raise UsageError('give PRED and GT')
    outcome, extra = score(*args.paths, args)
    scored = scored_set(outcome, args)
    figures = [figure for figure in figures_of(scored) if not figure.key.startswith('ungated/')]
    # All masks of a sample are there, so the mAP of its chosen mask alone is of no interest.
    figures = [f for f in figures if not (extra and f.key == 'mAP_top1')] + extra
    print(format_table(scored, figures))
    for figure in extra:
        print(f'  {figure.key:20}{figure.value:>8.2f}')
    if args.csv:
        write_pairs(args.csv, scored.pairs)
        partial_csv(args).unlink(missing_ok=True)
        if scored.objects:
            write_objects(args.csv.with_suffix('.objects.csv'), scored.objects)
    if args.json:
        write_report(args.json, scored, figures, bound_th=BOUND_TH)
    tell(outcome.problems, args.missing)
    return outcome.problems


def compare(args: argparse.Namespace) -> list[Problem]:
    """Print two methods side by side, each a CSV of rows or, if GT is given, predictions."""
    if len(args.paths) > 1 or set(args.protocol) & {*COCO_PROTOCOLS, 'davis_unsup'}:
        raise UsageError('--compare A B takes at most GT beside it, and protocols of J and F')
    rows: list[list[PairRow]] = []
    problems: list[Problem] = []
    for path in args.compare:
        if args.paths:
            outcome, _ = score(path, args.paths[0], args)
            rows.append(outcome.pairs)
            tell(outcome.problems, None)
            problems += outcome.problems
        else:
            rows.append(checked(read_pairs, path))
    differences = checked(compare_rows, *rows)
    print('all frames of a pair, mean over pairs; draws of videos')
    print(format_comparison(differences, tuple(path.stem or str(path) for path in args.compare)))
    return problems


def score(pred: Path, gt: Path, args: argparse.Namespace) -> tuple[Outcome, list[Figure]]:
    """Rows of one method; figures beside those of the rows for COCO results."""
    protocols = set(args.protocol)
    for alone in ({'davis_unsup'}, {'davis_semi'}, set(COCO_PROTOCOLS)):
        if protocols & alone and protocols - alone:
            raise UsageError(f'protocol {" ".join(sorted(alone))} reads other files: run it alone')
    if protocols & set(COCO_PROTOCOLS):
        found = checked(score_results, pred, gt)
        extra = extra_figures(found, args.protocol[0])
        return Outcome(found.rows, [], found.problems), extra
    masks = checked(open_masks, pred)
    if 'davis_unsup' in protocols:
        scorer, tasks = UnsupervisedScorer(masks, PngTruth(gt)), checked(folder_tasks, gt)
    elif 'davis_semi' in protocols:
        scorer, tasks = SemiSupervisedScorer(masks, PngTruth(gt)), checked(folder_tasks, gt)
    else:
        truth, tasks = checked(find_truth, gt, args.expressions, args.pairs)
        scorer = PairScorer(masks, truth)
    return run(scorer, tasks, args), []


def run(scorer: VideoScorer, tasks: list[VideoTask], args: argparse.Namespace) -> Outcome:
    """Score all videos with a bar on stderr; what is done survives an error or a kill as CSV."""
    outcome = Outcome()
    partial = partial_csv(args)
    if partial:
        partial.unlink(missing_ok=True)
    bar = ProgressBar(len(tasks), file=sys.stderr)
    for part in score_videos(scorer, tasks, processes=min(args.processes, len(tasks))):
        if partial:
            append_pairs(partial, part.pairs)
        outcome.add(part)
        bar.update()
    print(file=sys.stderr)
    outcome.pairs.sort(key=lambda row: row.pair_id)
    outcome.objects.sort(key=lambda row: row.pair_id)
    outcome.problems.sort(key=lambda problem: problem.where)
    return outcome


def partial_csv(args: argparse.Namespace) -> Path | None:
    """File for the rows of the videos that are done, until all are; of one method only."""
    return args.csv.with_suffix('.partial.csv') if args.csv and not args.compare else None


def scored_set(outcome: Outcome, args: argparse.Namespace) -> ScoredSet:
    """The rows with the protocols and groups that are asked for."""
    if not outcome.pairs and not outcome.objects:
        tell(outcome.problems, args.missing)
        raise UsageError('nothing could be scored')
    scored = ScoredSet(
        outcome.pairs, outcome.objects, tuple(args.protocol), ('quality', *args.groups)
    )
    if scored.negatives:
        scored = replace(scored, groups=(*scored.groups, 'robustness'))
    return scored


def tell(problems: list[Problem], path: Path | None) -> None:
    """Print how much could not be used and the first of it, and write all of it if asked to."""
    if path is not None:
        path.write_text(''.join(f'{problem}\n' for problem in problems), encoding='utf-8')
    if problems:
        print(f'\n{len(problems)} problems, the figures above include them:')
        for problem in problems[:SHOWN_PROBLEMS]:
            print(f'  {problem}')
        if len(problems) > SHOWN_PROBLEMS:
            print(f'  ... and {len(problems) - SHOWN_PROBLEMS} more; --missing FILE lists all')


def checked(function: Callable[..., Result], *args: Any) -> Result:
    """The result of ``function``; what it says is wrong with its input becomes a short error."""
    try:
        return function(*args)
    except ValueError as error:
        raise UsageError(str(error)) from error


if __name__ == '__main__':
    main()
