r"""Gate the masks of any method by the verdict of a checkpoint, and score them before and after.

    r2vos gate PRED GT --pairs pairs.json --expressions meta_expressions.json \
        --model CONFIG --weights CHECKPOINT --frames JPEGImages --out gated
    r2vos gate PRED GT --pairs pairs.json --expressions meta_expressions.json \
        --consensus pairs.csv --out gated

PRED is a folder or zip of PNGs ``<video>/<expression>/<frame>.png``, a JSON of run-length codes by
video and expression (also that of Sa2VA), JSON or JSON Lines of ``r2vos predict``, or with GT or
--veval in SA-Co/VEval's form a list of tracks (SAM 3). GT and the other options are those of
``r2vos score``. The verdicts come from a checkpoint, which sees the frames, or from the CSV that
its test on the same pairs wrote (``csv_path`` of the evaluator).

The gated masks are written to the folder of --out, 255 = object; those of pairs whose consensus is
below the threshold are empty. The table has one line for the masks as given (gate off) and one for
the gated ones (gate on).

Exit status: 0 if all predictions were read, or with --missing-is-empty; else 2.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.utils.cli import (
    Progress,
    UsageError,
    add_cfg_options,
    check_outputs,
    check_writable,
    probability,
)

from .model_options import add_device_options, build_model

if TYPE_CHECKING:
    from r2vos_mm.apis.scoring.mask_files import Outcome
    from r2vos_mm.evaluation.metrics.metric_values import EvalSet

NUM_SHOWN = 20
DEFAULT_THRESHOLD = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('pred', type=Path, metavar='PRED', help='masks of any method')
    parser.add_argument('gt', type=Path, metavar='GT', help='annotation, see above')
    parser.add_argument('--out', type=Path, required=True, help='folder for the gated masks')
    parser.add_argument('--expressions', type=Path, help='meta_expressions.json with object ids')
    parser.add_argument('--pairs', type=Path, help='pairs file, for negative pairs')
    parser.add_argument(
        '--veval', type=Path, help='SA-Co/VEval file whose ids a list of tracks has'
    )
    parser.add_argument('--consensus', type=Path, help='CSV of a test, instead of a checkpoint')
    parser.add_argument(
        '--config', '--model', help='config file, or a name that r2vos models lists'
    )
    parser.add_argument('--checkpoint', '--weights', help='file or URL')
    parser.add_argument('--frames', type=Path, help='folder with <video>/<frame>.jpg')
    parser.add_argument(
        '--gate-threshold',
        type=probability,
        help="consensus below which masks are emptied (default: the model's, or "
        f'{DEFAULT_THRESHOLD} with --consensus)',
    )
    parser.add_argument(
        '--threshold',
        type=int,
        choices=range(1, 256),
        metavar='N',
        help='values of PNGs from N on are foreground; default: all above 0',
    )
    parser.add_argument(
        '--missing-is-empty', action='store_true', help='count missing predictions as empty'
    )
    parser.add_argument('--csv', type=Path, help='write one row per pair')
    parser.add_argument('--json', type=Path, help='write a report of all metrics')
    parser.add_argument('--processes', type=int, default=os.cpu_count(), help='default: all cores')
    add_device_options(parser)
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Gate, score, print and write; raise UserError if predictions were not read."""
    from r2vos_mm.apis.scoring.mask_files import BOUND_TH
    from r2vos_mm.evaluation.metrics.metric_values import metric_values
    from r2vos_mm.evaluation.metrics.report import format_table, write_results

    from .score import check_read

    check_outputs(args, 'csv', 'json')
    check_verdict_source(args)
    check_writable(args.out, what='--out', is_folder=True)
    eval_set, given = gate_masks(args)
    for problem in (*given.unscored, *given.unread, *given.problems)[:NUM_SHOWN]:
        print(problem)
    values = metric_values(eval_set)
    print(format_table(eval_set, values))
    write_results(eval_set, values, args.csv, args.json, bound_th=BOUND_TH)
    kept = sum(pair.consensus >= eval_set.gate_threshold for pair in eval_set.pairs)
    print(f'{args.out}: masks of {len(eval_set.pairs)} pairs, {kept} of them kept')
    check_read(given, args)


def gate_masks(args: argparse.Namespace) -> tuple[EvalSet, Outcome]:
    """Write the gated masks; return their scores, and what was wrong with the files."""
    from r2vos_mm.apis.gating import open_predictions, score_gated
    from r2vos_mm.apis.scoring.mask_files import Reading, find_ground_truth

    truth, tasks = find_ground_truth(args.gt, args.expressions, args.pairs)
    veval = args.veval or (args.gt if args.gt.is_file() else None)
    masks = open_predictions(args.pred, tasks, veval=veval)
    check_folder(args.out, masks.path)
    consensus, threshold = verdicts(args, tasks)
    reading = Reading(args.missing_is_empty, args.threshold)
    options = dict(reading=reading, processes=args.processes, gate_threshold=threshold)
    return score_gated(tasks, masks, truth, args.out, consensus=consensus, **options)


def check_verdict_source(args: argparse.Namespace) -> None:
    """Raise UsageError unless the verdicts have one source."""
    model = {'--model': args.config, '--weights': args.checkpoint, '--frames': args.frames}
    given = [name for name, value in model.items() if value is not None]
    if args.consensus is not None and given:
        raise UsageError(f'--consensus takes the place of {given[0]}: give one of them')
    if args.consensus is None and len(given) < len(model):
        raise UsageError(f'the verdicts need {", ".join(model)}, or --consensus CSV')


def check_folder(out: Path, pred: Path) -> None:
    """Raise UsageError if the gated masks would replace the given ones, or mix with others."""
    if out.resolve() == pred.resolve():
        raise UsageError(f'--out is {out}, which holds the given masks: choose another folder')
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f'--out: {out} is not empty: choose another folder')


def verdicts(args: argparse.Namespace, tasks: list) -> tuple[dict[str, float], float]:
    """Return the consensus of each pair and the threshold."""
    from r2vos_mm.apis.gating import csv_consensus, model_consensus

    if args.consensus is not None:
        threshold = args.gate_threshold
        consensus = csv_consensus(args.consensus)
        return consensus, DEFAULT_THRESHOLD if threshold is None else threshold

    if args.gate_threshold is not None:
        args.cfg_options.append(f'model.test_cfg.gate_threshold={args.gate_threshold}')
    model, consensus, bar = build_model(args), {}, Progress(len(tasks), 'videos')
    parts = model_consensus(model, tasks, args.frames, precision=args.precision)
    for done, part in enumerate(parts, start=1):
        consensus |= part
        bar.update(done)
    return consensus, model.test_cfg.gate_threshold
