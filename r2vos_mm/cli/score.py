r"""Score masks on disk from any method: folders of PNGs, a submission zip, or COCO codes in JSON.

    r2vos score PRED GT --expressions meta_expressions.json       Refer-YouTube-VOS layout
    r2vos score PRED valid_u                                      MeViS
    r2vos score PRED Annotations_unsupervised/480p --protocol davis_unsup
    r2vos score PRED Annotations/480p --protocol davis_semi
    r2vos score RESULTS.json ANNOTATIONS.json --protocol a2d
    r2vos score --compare A B                                     two CSV files of --csv
    r2vos score GT --compare A B --expressions ...                two sets of predictions
    r2vos score ... --part 1/4 --json 1.json                      a quarter of the videos
    r2vos score --merge 1.json 2.json 3.json 4.json               the scores of the whole

PRED holds ``<video>/<expression>/<frame>.png``, also in a folder below, with values above 0 as
foreground. Predictions that are missing or damaged are listed, and the metrics that they touch are
NaN. A scoring that was stopped continues when the same command is run again. This tool requires
neither torch nor MMEngine.

Exit status: 0 if all predictions were read, or with --missing-is-empty; 1 with --strict if there
are other problems; 2 if predictions are missing or damaged, or the annotation of a video is.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from r2vos_mm import __version__
from r2vos_mm.apis.scoring.coco_results import extra_values, score_results
from r2vos_mm.apis.scoring.compare import compare_scores, format_comparison
from r2vos_mm.apis.scoring.mask_files import (
    BOUND_TH,
    Outcome,
    Reading,
    VideoScorer,
    find_folders,
    find_ground_truth,
    score_expressions,
    score_semi_supervised,
    score_unsupervised,
    score_videos,
)
from r2vos_mm.apis.scoring.merge import merge_parts, part_content
from r2vos_mm.apis.scoring.spool import ScoringSpool
from r2vos_mm.evaluation.mask_files import (
    ANNOTATIONS,
    FileGroundTruth,
    GroundTruth,
    MaskFiles,
    VideoTask,
    open_masks,
)
from r2vos_mm.evaluation.metrics.metric_values import EvalSet, MetricValue, metric_values
from r2vos_mm.evaluation.metrics.pair_scores import PairScores
from r2vos_mm.evaluation.metrics.protocols import PROTOCOLS
from r2vos_mm.evaluation.metrics.report import format_table, write_results
from r2vos_mm.evaluation.metrics.scores_csv import append_pairs, read_pairs
from r2vos_mm.utils.cli import Progress, UsageError, UserError, add_part_option, check_outputs
from r2vos_mm.utils.data_issues import Problem
from r2vos_mm.utils.files import write_atomically
from r2vos_mm.utils.formats.ref_davis17 import NUM_EXPRESSION_SETS

COCO_PROTOCOLS = ('a2d', 'refcoco')
# Protocols with their own input files, which cannot be combined with others.
FOLDER_SCORERS: dict[str, VideoScorer] = {
    'davis_unsup': score_unsupervised,
    'davis_semi': score_semi_supervised,
}
NUM_SHOWN = 20


class ProblemsError(UserError):
    """There are problems, and ``--strict`` was given."""

    status = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('paths', nargs='*', type=Path, metavar='PRED GT', help='see above')
    parser.add_argument(
        '--protocol',
        nargs='+',
        default=['per_expression', 'from_first_appearance'],
        choices=PROTOCOLS,
        help='default: %(default)s',
    )
    parser.add_argument('--expressions', type=Path, help='meta_expressions.json with object ids')
    parser.add_argument('--pairs', type=Path, help='pairs file: adds R and cgF1 on negative pairs')
    parser.add_argument(
        '--groups',
        nargs='+',
        default=[],
        choices=['cgf1', 'no_target', 'presence', 'visa'],
        help='additional groups of metrics',
    )
    parser.add_argument(
        '--csv', type=Path, help='write one row per pair; NAME.partial.csv until all are done'
    )
    parser.add_argument('--json', type=Path, help='write a report of all metrics')
    parser.add_argument('--missing', type=Path, help='write the list of all problems')
    parser.add_argument(
        '--missing-is-empty', action='store_true', help='count missing predictions as empty'
    )
    parser.add_argument(
        '--threshold',
        type=int,
        choices=range(1, 256),
        metavar='N',
        help='values from N on are foreground: 128 for probabilities; default: all above 0',
    )
    parser.add_argument('--strict', action='store_true', help='exit status 1 for other problems')
    parser.add_argument('--processes', type=int, default=os.cpu_count(), help='default: all cores')
    add_part_option(
        parser, help_text='score part I of N of the videos; needs --json, which --merge reads'
    )
    parser.add_argument(
        '--merge',
        nargs='+',
        type=Path,
        metavar='REPORT',
        help='merge all parts, of --part here or of r2vos test; protocols and groups are theirs',
    )
    parser.add_argument('--compare', nargs=2, type=Path, metavar=('A', 'B'), help='see above')


def run(args: argparse.Namespace) -> None:
    """Score or compare; exit with another status than 0 if files were not read."""
    check_outputs(args, 'csv', 'json', 'missing')
    task = compare if args.compare else merge if args.merge else evaluate
    found = task(args)
    check_read(found, args)
    if found.problems and args.strict:
        raise ProblemsError(f'{len(found.problems)} problems with --strict')


def check_read(outcome: Outcome, args: argparse.Namespace) -> None:
    """Raise UserError if the annotation of a video, or predictions, were not read."""
    if outcome.unscored:
        raise UserError(f'the annotation of {len(outcome.unscored)} videos was not read')
    if outcome.unread and not args.missing_is_empty:
        raise UserError(f'{len(outcome.unread)} predictions were not read')


def evaluate(args: argparse.Namespace) -> Outcome:
    """Score one method, list problems, print and write the metrics."""
    if len(args.paths) != 2:
        raise UsageError('PRED and GT are required')
    if args.part and not args.json:
        raise UsageError('--part needs --json FILE, which --merge reads')
    outcome, extra = score_method(*args.paths, args)
    settings = settings_of(args)
    part = args.part and part_content(args.part, outcome.videos, settings, outcome)
    show(outcome, settings, args, extra=extra, part=part)
    if args.csv:
        partial_csv(args).unlink(missing_ok=True)
    return outcome


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return what scores and metrics depend on, besides the files."""
    names = 'missing_is_empty', 'threshold'
    settings = {name: getattr(args, name) for name in names}
    settings |= dict(protocols=args.protocol, groups=['quality', *args.groups])
    return settings | dict(gate_threshold=0.5, bound_th=BOUND_TH, of_masks=True)


def merge(args: argparse.Namespace) -> Outcome:
    """Merge the scores of parts; print and write what one scoring of the whole would."""
    if args.paths or args.part:
        raise UsageError('--merge takes reports only, without PRED, GT and --part')
    merged = merge_parts(args.merge)
    args.missing_is_empty = merged.settings.get('missing_is_empty', False)
    show(merged.outcome, merged.settings, args)
    return merged.outcome


def show(
    outcome: Outcome,
    settings: Mapping[str, Any],
    args: argparse.Namespace,
    *,
    extra: Sequence[MetricValue] = (),
    part: Mapping[str, Any] | None = None,
) -> None:
    """List problems, and print and write the metrics; ``extra`` are those of COCO results.

    Raises:
        UsageError: nothing could be scored, unless it is a part of something.
    """
    report(outcome, args)
    if not part and not outcome.pairs and not outcome.objects:
        raise UsageError('no video could be scored')
    eval_set = eval_set_of_outcome(outcome, settings)
    values = metric_values(eval_set)
    if settings['of_masks']:  # which have no gate
        values = [entry for entry in values if not entry.key.startswith('ungated/')]
    # The mAP of the predicted mask alone is not of interest if all masks of a sample are available.
    values = [entry for entry in values if not (extra and entry.key == 'mAP_top1')] + [*extra]
    print(format_table(eval_set, values))
    for entry in extra:
        print(f'  {entry.key:20}{entry.value:>8.2f}')
    write_results(eval_set, values, args.csv, args.json, bound_th=settings['bound_th'], part=part)


def compare(args: argparse.Namespace) -> Outcome:
    """Print two methods side by side, each a CSV of scores or, if GT is given, predictions."""
    if args.part:
        raise UsageError('--compare takes no --part: merge the parts of each method first')
    if len(args.paths) > 1 or set(args.protocol) & {*COCO_PROTOCOLS, 'davis_unsup'}:
        raise UsageError('--compare A B takes GT only, and protocols that compute J and F')
    if args.compare[0].resolve() == args.compare[1].resolve():
        print('A and B are the same path')
    sides: list[list[PairScores]] = []
    both = Outcome()
    for path in args.compare:
        outcome = Outcome()
        if args.paths:
            outcome, _ = score_method(path, args.paths[0], args)
            report(outcome, args)
        else:
            outcome.pairs = read_pairs(path)
        sides.append(outcome.pairs)
        unread = [pair.pair_id for pair in outcome.pairs if not pair.is_read]
        both.unread += [Problem(pair_id, 'not read', 'not compared') for pair_id in unread]
        both.unscored += outcome.unscored
        both.problems += outcome.problems
    differences = compare_scores(*sides)
    print('all frames of a pair, mean over pairs; bootstrap over videos')
    print(format_comparison(differences, tuple(path.stem or str(path) for path in args.compare)))
    return both


def score_method(
    pred: Path, gt: Path, args: argparse.Namespace
) -> tuple[Outcome, list[MetricValue]]:
    """Score one method; COCO results have additional metrics."""
    check_request(pred, gt, args)
    name = args.protocol[0]
    if name in COCO_PROTOCOLS:
        outcome, masks = score_results(pred, gt, args.missing_is_empty)
        return outcome, extra_values(outcome.pairs, masks, name)
    if name in FOLDER_SCORERS:
        truth, tasks = find_folders(gt)
    else:
        truth, tasks = find_ground_truth(gt, args.expressions, args.pairs)
    videos = [task.video for task in tasks]
    tasks = args.part.of(tasks) if args.part else tasks
    masks = find_predictions(pred, gt, expected_folders(tasks, name))
    has_files = not isinstance(truth, FileGroundTruth)
    if has_files and masks.top().resolve() == truth.files.top().resolve():
        raise UsageError(f'PRED and GT both lead to {masks.top()}: give the predictions as PRED')
    outcome = score_all(FOLDER_SCORERS.get(name, score_expressions), tasks, masks, truth, args)
    outcome.videos = videos
    return outcome, []


def check_request(pred: Path, gt: Path, args: argparse.Namespace) -> None:
    """Raise UsageError if protocols, paths and options do not go together."""
    protocols, name = set(args.protocol), args.protocol[0]
    for alone in (*({name} for name in FOLDER_SCORERS), set(COCO_PROTOCOLS)):
        if protocols & alone and protocols - alone:
            raise UsageError(f'protocol {" ".join(sorted(alone))} needs other files: run it alone')
    if pred.resolve() == gt.resolve():
        raise UsageError(f'PRED and GT are both {pred}: predictions must not be the annotation')
    if name in COCO_PROTOCOLS and args.part:
        raise UsageError(f'--part: {name} is scored from two files in one go')
    if (pred / 'mask_dict.json').is_file():
        raise UsageError(f'{pred} holds the annotation of MeViS: are PRED and GT swapped?')
    if args.threshold is not None and name in FOLDER_SCORERS:
        raise UsageError(f'--threshold is for masks of foreground, not for the ids of {name}')


def expected_folders(tasks: list[VideoTask], protocol: str) -> list[list[str]]:
    """Return the folders that predictions have, one list for each form that they may have."""
    videos = [task.video for task in tasks]
    if protocol == 'davis_unsup':
        return [[f'anno_{k}/{v}' for v in videos for k in range(NUM_EXPRESSION_SETS)], videos]
    if protocol == 'davis_semi':
        return [videos]
    return [[pair.folder for task in tasks for pair in task.pairs]]


def find_predictions(pred: Path, gt: Path, choices: list[list[str]]) -> MaskFiles:
    """Return the predictions below ``pred``, from the folder that holds the expected ones.

    Raises:
        UsageError: there is no such folder, or only below ``gt``.
    """
    masks = open_masks(pred)
    errors: list[str] = []
    for candidate in (masks, open_masks(gt)) if gt.is_dir() else (masks,):
        for expected in choices:
            try:
                candidate.find_root(expected)
            except ValueError as error:
                errors.append(str(error))
            else:
                if candidate is not masks:
                    raise UsageError(f'{errors[0]}. {gt} holds them: are PRED and GT swapped?')
                if masks.root not in ('', ANNOTATIONS):
                    print(f'predictions found in {masks.top()}')
                return masks
    raise UsageError(errors[0])


def score_all(
    scorer: VideoScorer,
    tasks: list[VideoTask],
    masks: MaskFiles,
    truth: GroundTruth,
    args: argparse.Namespace,
) -> Outcome:
    """Score all videos with progress on stderr; write finished videos to the partial CSV."""
    outcome, partial_path = Outcome(), partial_csv(args)
    if partial_path:
        partial_path.unlink(missing_ok=True)
    reading = Reading(args.missing_is_empty, args.threshold)
    options, part = (__version__, scorer.__name__, reading), str(args.part or '')
    spool = ScoringSpool(masks, truth, options, part=part)
    finished, left = spool.split(tasks)
    if finished:
        print(f'{len(finished)} of {len(tasks)} videos were scored before this was stopped')
    bar, processes = Progress(len(tasks), 'videos'), min(args.processes, len(left))
    scorer = partial(scorer, reading=reading)
    outcomes = score_videos(scorer, left, masks, truth, processes=processes)
    for done, part in enumerate(chain(finished, kept(outcomes, spool)), start=1):
        if partial_path:
            append_pairs(partial_path, part.pairs)
        outcome.add(part)
        bar.update(done)
    spool.remove()
    outcome.sort()
    return outcome


def kept(outcomes: Iterator[Outcome], spool: ScoringSpool) -> Iterator[Outcome]:
    """Keep outcomes in the spool before they are yielded."""
    for outcome in outcomes:
        spool.add(outcome)
        yield outcome


def partial_csv(args: argparse.Namespace) -> Path | None:
    """Return the CSV for the scores of finished videos, None for comparisons."""
    return args.csv.with_suffix('.partial.csv') if args.csv and not args.compare else None


def eval_set_of_outcome(outcome: Outcome, settings: Mapping[str, Any]) -> EvalSet:
    """Return the scores with the requested protocols and groups."""
    names = 'protocols', 'groups', 'gate_threshold'
    protocols, groups, threshold = (settings[name] for name in names)
    eval_set = EvalSet(outcome.pairs, outcome.objects, protocols, groups, threshold)
    if not settings['of_masks'] or not eval_set.negatives:
        return eval_set
    return replace(eval_set, groups=tuple(dict.fromkeys((*groups, 'robustness', 'cgf1'))))


def report(outcome: Outcome, args: argparse.Namespace) -> None:
    """Print the numbers of unread predictions and other problems and the first of them.

    All of them are written to the file of ``--missing``.
    """
    if args.missing is not None and not args.compare:
        listed = *outcome.unscored, *outcome.unread, *outcome.problems
        lines = [f'{problem}\n' for problem in listed]
        write_atomically(''.join(lines), args.missing)
    effect = 'metrics that they touch are NaN (--missing-is-empty counts them as empty)'
    if args.missing_is_empty:
        effect = 'they count as empty (--missing-is-empty)'
    heads = {
        'videos whose annotation cannot be used: the metrics leave them out': outcome.unscored,
        f'predictions missing or unreadable: {effect}': outcome.unread,
        'problems with the files that were read': outcome.problems,
    }
    for head, problems in heads.items():
        if problems:
            print(f'{len(problems)} {head}')
        for problem in problems[:NUM_SHOWN]:
            print(f'  {problem}')
        if len(problems) > NUM_SHOWN:
            print(f'  ... and {len(problems) - NUM_SHOWN} more; --missing FILE lists all')
