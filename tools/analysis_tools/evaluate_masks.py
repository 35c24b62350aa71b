r"""Score masks on disk from any method: folders of PNGs, a submission zip, or COCO codes in JSON.

    evaluate_masks.py PRED GT --expressions meta_expressions.json       Refer-YouTube-VOS layout
    evaluate_masks.py PRED valid_u                                      MeViS
    evaluate_masks.py PRED Annotations_unsupervised/480p --protocol davis_unsup
    evaluate_masks.py PRED Annotations/480p --protocol davis_semi
    evaluate_masks.py RESULTS.json ANNOTATIONS.json --protocol a2d
    evaluate_masks.py --compare A B                                     two CSV files of --csv
    evaluate_masks.py GT --compare A B --expressions ...                two sets of predictions

PRED holds ``<video>/<expression>/<frame>.png``, also in a folder below, with values above 0 as
foreground. Predictions that are missing or damaged are listed, and the metrics that they touch are
NaN. A scoring that was stopped continues when the same command is run again. This tool requires
neither torch nor MMEngine.

Exit status: 0 if all predictions were read, or with --missing-is-empty; 1 with --strict if there
are other problems; 2 if predictions are missing or damaged, or the annotation of a video is.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from r2vos_mm import __version__
from r2vos_mm.apis.scoring import (
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
from r2vos_mm.apis.scoring_spool import ScoringSpool
from r2vos_mm.evaluation import (
    Difference,
    MaskCandidates,
    Ratio,
    bootstrap_weights,
    mean_average_precision,
    mttr_overlap_scores,
    paired_difference,
)
from r2vos_mm.evaluation.mask_files import (
    ANNOTATIONS,
    GroundTruth,
    MaskFiles,
    PngGroundTruth,
    VideoTask,
    open_masks,
)
from r2vos_mm.evaluation.metrics.metric_values import EvalSet, MetricValue, metric_values
from r2vos_mm.evaluation.metrics.pair_scores import PairScores
from r2vos_mm.evaluation.metrics.protocols import PROTOCOLS, percent
from r2vos_mm.evaluation.metrics.report import format_table, write_results
from r2vos_mm.evaluation.metrics.scores_csv import append_pairs, read_pairs
from r2vos_mm.utils.cli import Progress, UsageError, check_outputs, parser_of, short_errors
from r2vos_mm.utils.data_issues import DataFileError, Problem
from r2vos_mm.utils.files import read_json, write_atomically
from r2vos_mm.utils.masks_io import compressed_rle
from r2vos_mm.utils.ref_davis17 import NUM_EXPRESSION_SETS

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
    parser.add_argument('--compare', nargs=2, type=Path, metavar=('A', 'B'), help='see above')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    with short_errors(args.debug):
        check_outputs(args, 'csv', 'json', 'missing')
        counts = compare(args) if args.compare else evaluate(args)
    if counts.unscored:
        print(f'error: the annotation of {counts.unscored} videos was not read', file=sys.stderr)
        raise SystemExit(2)
    if counts.unread and not args.missing_is_empty:
        print(f'error: {counts.unread} predictions were not read', file=sys.stderr)
        raise SystemExit(2)
    if counts.problems and args.strict:
        print(f'error: {counts.problems} problems with --strict', file=sys.stderr)
        raise SystemExit(1)


class Counts(NamedTuple):
    """Numbers of unread predictions, of videos without usable annotation, of other problems."""

    unread: int
    unscored: int
    problems: int


def evaluate(args: argparse.Namespace) -> Counts:
    """Score one method, list problems, print and write the metrics."""
    if len(args.paths) != 2:
        raise UsageError('PRED and GT are required')
    outcome, extra = score(*args.paths, args)
    report(outcome, args)
    eval_set = eval_set_of(outcome, args)
    values = [entry for entry in metric_values(eval_set) if not entry.key.startswith('ungated/')]
    # The mAP of the predicted mask alone is not of interest if all masks of a sample are available.
    values = [entry for entry in values if not (extra and entry.key == 'mAP_top1')] + extra
    print(format_table(eval_set, values))
    for entry in extra:
        print(f'  {entry.key:20}{entry.value:>8.2f}')
    write_results(eval_set, values, args.csv, args.json, bound_th=BOUND_TH)
    if args.csv:
        partial_csv(args).unlink(missing_ok=True)
    return Counts(len(outcome.unread), len(outcome.unscored), len(outcome.problems))


def compare(args: argparse.Namespace) -> Counts:
    """Print two methods side by side, each a CSV of scores or, if GT is given, predictions."""
    if len(args.paths) > 1 or set(args.protocol) & {*COCO_PROTOCOLS, 'davis_unsup'}:
        raise UsageError('--compare A B takes GT only, and protocols that compute J and F')
    if args.compare[0].resolve() == args.compare[1].resolve():
        print('A and B are the same path')
    sides: list[list[PairScores]] = []
    num_unread = num_unscored = num_problems = 0
    for path in args.compare:
        outcome = Outcome()
        if args.paths:
            outcome, _ = score(path, args.paths[0], args)
            report(outcome, args)
        else:
            outcome.pairs = checked(read_pairs, path)
        sides.append(outcome.pairs)
        num_unread += sum(not pair.is_read for pair in outcome.pairs)
        num_unscored += len(outcome.unscored)
        num_problems += len(outcome.problems)
    differences = checked(compare_scores, *sides)
    print('all frames of a pair, mean over pairs; bootstrap over videos')
    print(format_comparison(differences, tuple(path.stem or str(path) for path in args.compare)))
    return Counts(num_unread, num_unscored, num_problems)


def score(pred: Path, gt: Path, args: argparse.Namespace) -> tuple[Outcome, list[MetricValue]]:
    """Score one method; COCO results have additional metrics."""
    protocols, name = set(args.protocol), args.protocol[0]
    for alone in (*({name} for name in FOLDER_SCORERS), set(COCO_PROTOCOLS)):
        if protocols & alone and protocols - alone:
            raise UsageError(f'protocol {" ".join(sorted(alone))} needs other files: run it alone')
    if pred.resolve() == gt.resolve():
        raise UsageError(f'PRED and GT are both {pred}: predictions must not be the annotation')
    if protocols & set(COCO_PROTOCOLS):
        outcome, masks = checked(score_results, pred, gt, args.missing_is_empty)
        return outcome, extra_values(outcome.pairs, masks, name)
    if (pred / 'mask_dict.json').is_file():
        raise UsageError(f'{pred} holds the annotation of MeViS: are PRED and GT swapped?')
    if args.threshold is not None and name in FOLDER_SCORERS:
        raise UsageError(f'--threshold is for masks of foreground, not for the ids of {name}')
    if name in FOLDER_SCORERS:
        truth, tasks = checked(find_folders, gt)
    else:
        truth, tasks = checked(find_ground_truth, gt, args.expressions, args.pairs)
    masks = open_predictions(pred, gt, expected_folders(tasks, name))
    if isinstance(truth, PngGroundTruth) and masks.top().resolve() == truth.files.top().resolve():
        raise UsageError(f'PRED and GT both lead to {masks.top()}: give the predictions as PRED')
    return run(FOLDER_SCORERS.get(name, score_expressions), tasks, masks, truth, args), []


def expected_folders(tasks: list[VideoTask], protocol: str) -> list[list[str]]:
    """Return the folders that predictions have, one list for each form that they may have."""
    videos = [task.video for task in tasks]
    if protocol == 'davis_unsup':
        return [[f'anno_{k}/{v}' for v in videos for k in range(NUM_EXPRESSION_SETS)], videos]
    if protocol == 'davis_semi':
        return [videos]
    return [[pair.folder for task in tasks for pair in task.pairs]]


def open_predictions(pred: Path, gt: Path, choices: list[list[str]]) -> MaskFiles:
    """Return the predictions, with the folder that holds the expected ones."""
    masks = checked(open_masks, pred)
    errors: list[str] = []
    for candidate in (masks, checked(open_masks, gt)) if gt.is_dir() else (masks,):
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


def run(
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
    spool = ScoringSpool(masks, truth, (__version__, scorer.__name__, reading))
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
    for entries in (outcome.pairs, outcome.objects):
        entries.sort(key=lambda entry: entry.pair_id)
    for problems in (outcome.unread, outcome.unscored, outcome.problems):
        problems.sort(key=lambda problem: problem.where)
    return outcome


def kept(outcomes: Iterator[Outcome], spool: ScoringSpool) -> Iterator[Outcome]:
    """Keep outcomes in the spool before they are yielded."""
    for outcome in outcomes:
        spool.add(outcome)
        yield outcome


def partial_csv(args: argparse.Namespace) -> Path | None:
    """Return the CSV for the scores of finished videos, None for comparisons."""
    return args.csv.with_suffix('.partial.csv') if args.csv and not args.compare else None


def eval_set_of(outcome: Outcome, args: argparse.Namespace) -> EvalSet:
    """Return the scores with the requested protocols and groups."""
    if not outcome.pairs and not outcome.objects:
        raise UsageError('no video could be scored')
    groups = ('quality', *args.groups)
    eval_set = EvalSet(outcome.pairs, outcome.objects, tuple(args.protocol), groups)
    if not eval_set.negatives:
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


def checked(function: Callable[..., Result], *args: Any) -> Result:
    """Call ``function`` and convert its ValueErrors to UsageErrors."""
    try:
        return function(*args)
    except ValueError as error:
        raise UsageError(str(error)) from error


def compare_scores(first: list[PairScores], second: list[PairScores]) -> dict[str, Difference]:
    """Return J, F, J&F, and with negative pairs R and J&F&R of two methods, in percent.

    Scores are those after the gate, R is the form of the paper. Videos are drawn, not pairs: the
    expressions of one video are not independent. A negative pair belongs to the video of its
    expression.

    Raises:
        ValueError: The pairs are not the same, or none is annotated.
    """
    _check_same(*({pair.pair_id: pair for pair in side} for side in (first, second)))
    if not any(pair.gt_areas is not None for pair in first):
        raise ValueError('no pair is annotated: there is no J and F to compare')
    positives = [pair for pair in first if not pair.is_negative]
    videos, numbers = np.unique([pair.video for pair in positives], return_inverse=True)
    clusters = dict(zip((pair.stem for pair in positives), numbers))
    parts = {'J': ['J'], 'F': ['F'], 'J&F': ['J', 'F']}
    if any(pair.is_negative and pair.stem in clusters for pair in first):
        parts |= {'R': ['R'], 'J&F&R': ['J', 'F', 'R']}
    sides = [_ratios(side, clusters, len(videos)) for side in (first, second)]
    weights = bootstrap_weights(len(videos))
    return {
        name: paired_difference(*([side[key] for key in keys] for side in sides), weights)
        for name, keys in parts.items()
    }


def format_comparison(differences: dict[str, Difference], names: tuple[str, str]) -> str:
    """Return a table of both values, A minus B and its 95 % interval; a star if it excludes 0."""
    width = max(12, *(len(name) + 2 for name in names))
    lines = [f'{"":8}' + ''.join(f'{name:>{width}}' for name in names) + f'{"A - B":>9}   95 %']
    for name, entry in differences.items():
        star = ' *' if entry.low > 0 or entry.high < 0 else ''
        lines.append(
            f'{name:8}{entry.first:>{width}.2f}{entry.second:>{width}.2f}'
            f'{entry.difference:>+9.2f}   [{entry.low:+.2f}, {entry.high:+.2f}]{star}'
        )
    return '\n'.join(lines)


def _ratios(pairs: list[PairScores], clusters: dict[str, int], size: int) -> dict[str, Ratio]:
    """Return J, F and R in percent as sums per cluster."""

    def total(of: list[PairScores], values: list[float]) -> np.ndarray:
        return np.bincount([clusters[pair.stem] for pair in of], values, size)

    areas = defaultdict(list)
    for pair in pairs:
        if pair.is_negative:
            areas[pair.stem].append(pair.area)
    paired = [pair for pair in pairs if not pair.is_negative and pair.stem in areas]
    own = total(paired, [pair.area for pair in paired])
    other = total(paired, [np.mean(areas[pair.stem]) for pair in paired])
    annotated = [pair for pair in pairs if pair.gt_areas is not None]
    count = total(annotated, [1] * len(annotated))
    region = total(annotated, [np.mean(pair.region) for pair in annotated])
    contour = total(annotated, [np.mean(pair.contour) for pair in annotated])
    ratios = {'J': (region, count), 'F': (contour, count), 'R': (own - other, own)}
    return {name: Ratio(100 * part, whole) for name, (part, whole) in ratios.items()}


def _check_same(first: dict[str, PairScores], second: dict[str, PairScores]) -> None:
    """Raise unless both methods were scored on the same pairs."""
    only = sorted(set(first) ^ set(second))
    if only:
        names = ', '.join(map(repr, only[:5]))
        raise ValueError(f'pairs differ: {len(only)} are in one of them only, such as {names}')
    for pair_id, pair in first.items():
        if pair.identity != second[pair_id].identity:
            raise ValueError(f'pair {pair_id!r} differs between the two methods')


def score_results(
    results: Path, annotations: Path, missing_is_empty: bool
) -> tuple[Outcome, list[MaskCandidates]]:
    """Score a COCO results file: one annotation per image, any number of masks (A2D, RefCOCO).

    The annotation file has one image per sample (an expression on a frame) with one annotation; the
    results file lists ``{"image_id", "segmentation", "score"}``, the form of the ReferFormer and
    MTTR code.

    Returns:
        Per image, in the order of ids: scores of the mask with the highest score (the last one of
        equals), and numbers of all masks for mAP.

    Raises:
        FileNotFoundError, ValueError: A file is missing or has another form, an image has not
            exactly one annotation, or a score is NaN; the message names the image.
    """
    coco, outcome, masks = COCO(), Outcome(), []
    coco.dataset = read_json(annotations)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
        predictions = read_results(results, coco, outcome)
        for image_id in sorted(coco.imgs):
            if not predictions[image_id]:
                what = 'counted as empty' if missing_is_empty else 'not scored'
                outcome.unread.append(Problem(f'image {image_id}', 'no masks', what))
            pair, candidates = score_image(coco, image_id, predictions[image_id], missing_is_empty)
            outcome.pairs.append(pair)
            masks.append(candidates)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{annotations} is not a COCO annotation file with images, their sizes and annotations '
            f'({error!r}): are PRED and GT swapped?'
        ) from error
    return outcome, masks


def extra_values(
    pairs: list[PairScores], masks: list[MaskCandidates], protocol: str
) -> list[MetricValue]:
    """Return mAP over all masks, and P@K and mean IoU as the released code rounds, in percent."""
    if not all(pair.is_read for pair in pairs):
        pairs, masks = [], []
    inter = [sum(pair.intersections) for pair in pairs]
    union = [pair.area + pair.gt_area - both for pair, both in zip(pairs, inter)]
    released = mttr_overlap_scores(inter, union)
    del released['oIoU']  # the same
    values = mean_average_precision(masks)
    values |= {f'released/{name}': value for name, value in released.items()}
    return [MetricValue(k, v, protocol, '-', 'quality') for k, v in percent(values).items()]


def read_results(
    results: Path, coco: COCO, outcome: Outcome
) -> dict[Any, list[tuple[float, dict[str, Any]]]]:
    """Return score and compressed run-length code of the usable predictions by image."""
    content = read_json(results, allow_nan=True)
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise ValueError(
            f'{results} is not a COCO results file, a list of predictions: are PRED and GT swapped?'
        )
    predictions = defaultdict(list)
    for number, item in enumerate(content):
        image_id, score = item.get('image_id'), item.get('score')
        where = f'{results}: entry {number}, image {image_id}'
        if not isinstance(image_id, (int, str)) or image_id not in coco.imgs:
            problem = Problem(where, 'the annotations have no such image', 'left out')
            outcome.problems.append(problem)
            continue
        if not isinstance(score, (int, float)) or math.isnan(score):
            raise ValueError(f'{where}: the score is {score!r}, not a number')
        size = coco.imgs[image_id]['height'], coco.imgs[image_id]['width']
        try:
            code = compressed_rle(item.get('segmentation'), where, size)
            predictions[image_id].append((float(score), code))
        except DataFileError as error:
            outcome.problems.append(Problem(where, str(error), 'left out'))
    return predictions


def score_image(
    coco: COCO,
    image_id: Any,
    found: list[tuple[float, dict[str, Any]]],
    missing_is_empty: bool,
) -> tuple[PairScores, MaskCandidates]:
    """Return the scores of the best mask of an image, and the numbers of all."""
    annotations, image = coco.imgToAnns[image_id], coco.imgs[image_id]
    if len(annotations) != 1:
        raise ValueError(f'image {image_id} has {len(annotations)} annotations, not one')
    truth = coco.annToRLE(annotations[0])
    gt_area = int(coco_mask.area(truth))
    rows = []
    for index, (score, code) in enumerate(found):
        both = coco_mask.merge([code, truth], intersect=True)
        area, inter = (int(coco_mask.area(mask)) for mask in (code, both))
        union = area + gt_area - inter
        rows.append((score, index, area, inter, inter / union if union else 0.0))
    empty = (0, 0, float(gt_area == 0)) if missing_is_empty else (math.nan,) * 3
    score, _, area, inter, iou = max(rows, default=(None, 0, *empty))
    video, text = str(image.get('file_name', image_id)), str(image.get('caption', ''))
    frame = (str(image_id),), image['height'] * image['width']
    counts = dict(areas=(area,), gt_areas=(gt_area,), intersections=(inter,), region=(iou,))
    identity = f'{image_id}/p', video, 'positive', text, False
    pair = PairScores(*identity, *frame, **counts, score=score)
    scores, _, areas, _, ious = zip(*rows) if rows else [()] * 5
    # mAP by size goes by the area that the annotation states.
    return pair, MaskCandidates(ious, scores, areas, annotations[0].get('area', gt_area))


if __name__ == '__main__':
    main()
