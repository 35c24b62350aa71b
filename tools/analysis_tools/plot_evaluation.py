"""Plot an evaluation from the CSV file of JFRMetric or evaluate_masks.py.

    plot_evaluation.py pairs.csv --out plots
    plot_evaluation.py pairs.csv --out plots --images JPEGImages --worst 8 \
        --pred PRED --gt Annotations --expressions meta_expressions.json

writes ``roc.png``, ``precision_recall.png``, ``scores.png`` (histogram) and ``cgf1.png`` (over the
threshold) of the verdict if the model has one, ``j_over_time.png``, and with ``--images``
``worst.png``: the annotated pairs with the lowest J, with the masks of ``--pred`` and ``--gt`` if
specified.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from r2vos_mm.apis.scoring.mask_files import GroundTruth, find_ground_truth
from r2vos_mm.evaluation import auroc, average_precision, verdict_curve
from r2vos_mm.evaluation.mask_files import MaskFiles, VideoTask, open_masks
from r2vos_mm.evaluation.metrics.metric_values import EvalSet, answer_values
from r2vos_mm.evaluation.metrics.pair_scores import PairScores
from r2vos_mm.evaluation.metrics.scores_csv import read_pairs
from r2vos_mm.utils.cli import UsageError, check_outputs, parser_of, short_errors
from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from r2vos_mm.visualization import ClipView

TIME_BINS = 20


def draw_roc(axes: Axes, pairs: Sequence[PairScores]) -> None:
    """Draw the ROC curve of the consensus, with aligned pairs as the positive class."""
    positives, negatives = scores_of(pairs)
    curve = verdict_curve(positives, negatives)
    axes.plot([0, *curve.false_positive_rate], [0, *curve.true_positive_rate], color='C0')
    axes.plot([0, 1], [0, 1], color='0.7', linewidth=0.8, linestyle='--')
    axes.set_xlabel('negative pairs accepted')
    axes.set_ylabel('positive pairs accepted')
    axes.set_title(f'ROC of the verdict, AUROC {auroc(positives, negatives):.3f}', fontsize=10)


def draw_precision_recall(axes: Axes, pairs: Sequence[PairScores]) -> None:
    """Draw precision over recall as steps, with aligned pairs as the positive class."""
    positives, negatives = scores_of(pairs)
    curve = verdict_curve(positives, negatives)
    recall = [0, *curve.true_positive_rate]
    axes.step(recall, [curve.precision[0], *curve.precision], where='pre', color='C0')
    share = len(positives) / (len(positives) + len(negatives))
    axes.axhline(share, color='0.7', linewidth=0.8, linestyle='--')
    axes.set_ylim(0, 1.02)
    axes.set_xlabel('recall of positive pairs')
    axes.set_ylabel('precision')
    value = average_precision(positives, negatives)
    axes.set_title(f'Precision and recall of the verdict, AP {value:.3f}', fontsize=10)


def draw_scores(axes: Axes, pairs: Sequence[PairScores]) -> None:
    """Draw a histogram of the consensus for positives and for each kind of negatives."""
    bins = np.linspace(0, 1, 26)
    for kind in sorted({pair.kind for pair in pairs}, key=lambda kind: (kind != 'positive', kind)):
        scores = [
            pair.consensus for pair in pairs if pair.kind == kind and pair.consensus is not None
        ]
        axes.hist(scores, bins, histtype='step', linewidth=1.6, label=f'{kind} ({len(scores)})')
    axes.axvline(0.5, color='0.7', linewidth=0.8, linestyle='--')
    axes.set_xlabel('consensus')
    axes.set_ylabel('pairs')
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=8)
    axes.set_title('Consensus of positive and negative pairs', fontsize=10)


def draw_cgf1(axes: Axes, pairs: Sequence[PairScores]) -> None:
    """Draw cgF1 and its factors over the smallest consensus at which a pair is answered."""
    thresholds, curves = np.linspace(0, 1, 51), defaultdict(list)
    eval_set = EvalSet(pairs).before_gate()
    for threshold in thresholds:
        answered = [bool(p.area) and (p.consensus or 0) >= threshold for p in eval_set.pairs]
        for name, value in answer_values(eval_set, answered).items():
            curves[name].append(value)
    for name, style in (('cgF1', '-'), ('cgF1@0.5', '-'), ('pmF1', '--'), ('IL_MCC', '--')):
        values = np.array(curves[name]) * (100 if name == 'IL_MCC' else 1)
        axes.plot(thresholds, values, style, label='100 IL_MCC' if name == 'IL_MCC' else name)
    axes.axvline(0.5, color='0.7', linewidth=0.8, linestyle='--')
    axes.set_xlim(0, 1)
    axes.set_xlabel('answered from this consensus on')
    axes.legend(fontsize=8)
    at_half = curves['cgF1'][len(thresholds) // 2]
    axes.set_title(f'cgF1 over the threshold, {at_half:.1f} at 0.5', fontsize=10)


def draw_region_over_time(axes: Axes, pairs: Sequence[PairScores]) -> None:
    """Draw mean and quartiles of J over the course of the videos, gate off and on."""
    centres = (np.arange(TIME_BINS) + 0.5) / TIME_BINS
    gated = annotated(pairs)
    ungated = [pair.before_gate or pair for pair in gated]
    curves_by_label = {'gate off': ungated, 'gate on': gated}
    if not any(pair.consensus is not None for pair in pairs):
        curves_by_label = {'all pairs': gated}
    for number, (label, rows) in enumerate(curves_by_label.items()):
        curves, colour = np.array([binned(pair.region) for pair in rows]), f'C{number}'
        low, high = np.nanquantile(curves, [0.25, 0.75], axis=0)
        axes.fill_between(centres, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(centres, np.nanmean(curves, axis=0), color=colour, label=label)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel('position in the video')
    axes.set_ylabel('J')
    axes.legend(fontsize=8)
    axes.set_title(f'J over time, mean and quartiles of {len(gated)} pairs', fontsize=10)


def binned(values: Sequence[float]) -> np.ndarray:
    """Return the values per frame (T,) at the middles of ``TIME_BINS`` parts of the video."""
    position = (np.arange(TIME_BINS) + 0.5) / TIME_BINS * len(values)
    return np.asarray(values)[position.astype(int)]


def annotated(pairs: Sequence[PairScores]) -> list[PairScores]:
    """Return the pairs that have J and F: annotated ones whose predictions were all read."""
    return [pair for pair in pairs if pair.region is not None and pair.is_read]


def scores_of(pairs: Sequence[PairScores]) -> tuple[list[float], list[float]]:
    """Return the consensus of positive and of negative pairs."""
    known = [pair for pair in pairs if pair.consensus is not None]
    return (
        [pair.consensus for pair in known if not pair.is_negative],
        [pair.consensus for pair in known if pair.is_negative],
    )


def save(
    path: Path, draw: Callable[[Axes, Sequence[PairScores]], None], pairs: list[PairScores]
) -> None:
    """Draw one plot and write it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.0), dpi=120, layout='constrained')
    axes = figure.add_subplot()
    axes.grid(alpha=0.3)
    draw(axes, pairs)
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
    print(path)


def worst_sheet(pairs: Sequence[PairScores], args: argparse.Namespace) -> np.ndarray:
    """Return a contact sheet of the annotated pairs with the lowest J, the worst first."""
    from r2vos_mm.visualization import contact_sheet

    worst = sorted(annotated(pairs), key=lambda pair: (np.mean(pair.region), pair.pair_id))
    folders = [pair.pair_id.removesuffix('/p') for pair in worst]
    predictions = open_masks(args.pred, folders) if args.pred else None
    truth, tasks = None, []
    if args.gt:
        truth, tasks = find_ground_truth(args.gt, args.expressions, args.pairs)
    by_video = {task.video: task for task in tasks}
    return contact_sheet(
        [
            clip_of(pair, args.images, predictions, truth, by_video.get(pair.video))
            for pair in worst[: args.worst]
        ]
    )


def clip_of(
    pair: PairScores,
    images: Path,
    predictions: MaskFiles | None,
    truth: GroundTruth | None,
    task: VideoTask | None,
) -> ClipView:
    """Return one row of the sheet: the frames of the pair with the masks that are available."""
    from r2vos_mm.datasets.io.frames import FileFrames
    from r2vos_mm.visualization import ClipView, PairView

    frames = FileFrames([images / pair.video / f'{frame}.jpg' for frame in pair.frame_ids])
    shape = frames[0].shape[:2]
    title, pred, true = f'{pair.video}: J {100 * np.mean(pair.region):.1f}', None, None
    if predictions is not None:
        folder, ids = pair.pair_id.removesuffix('/p'), pair.frame_ids
        found = [predictions.read(folder, name, i, shape) for i, name in enumerate(ids)]
        pred = np.stack([np.zeros(shape, bool) if mask is None else mask > 0 for mask in found])
        missing = sum(mask is None for mask in found)
        title += f', {missing} masks missing' if missing else ''
    targets = (
        [entry.target for entry in task.pairs if entry.pair_id == pair.pair_id] if task else []
    )
    if truth is not None and targets:
        true = np.zeros((len(pair.frame_ids), *truth.shape(task)), dtype=bool)
        for index in range(len(pair.frame_ids)):
            objects = truth.object_masks(task, index)
            for name in targets[0]:
                true[index] |= objects.get(name, False)
    view = PairView(
        pair.expression, masks=pred, true_masks=true, consensus=pair.consensus, is_negative=False
    )
    return ClipView(frames, view, title, pair.frame_ids)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('csv', type=Path)
    parser.add_argument('--out', type=Path, required=True, help='folder for the plots')
    parser.add_argument('--images', type=Path, help='frames <video>/<frame>.jpg: draws worst.png')
    parser.add_argument('--worst', type=int, default=8, help='pairs in worst.png')
    parser.add_argument('--pred', type=Path, help='predicted masks: folder, zip or JSON')
    parser.add_argument('--gt', type=Path, help='annotated masks')
    parser.add_argument('--expressions', type=Path, help='meta_expressions.json with object ids')
    parser.add_argument('--pairs', type=Path, help='pairs file')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    with short_errors(args.debug):
        check_outputs(args, folders=['out'])
        try:
            plot(read_pairs(args.csv), args)
        except (ValueError, DataFileError) as error:
            raise UsageError(str(error)) from error


def plot(pairs: list[PairScores], args: argparse.Namespace) -> None:
    """Draw the plots for which the pairs have values."""
    unread = sum(not pair.is_read for pair in pairs)
    if unread:
        print(f'{unread} of {len(pairs)} pairs are left out: their predictions were not read')
    plots: dict[str, Callable] = {}
    if all(scores_of(pairs)):
        plots = {'roc': draw_roc, 'precision_recall': draw_precision_recall}
        if annotated(pairs):
            plots['cgf1'] = draw_cgf1
    if any(pair.consensus is not None for pair in pairs):
        plots['scores'] = draw_scores
    if annotated(pairs):
        plots['j_over_time'] = draw_region_over_time
    for name, draw in plots.items():
        save(args.out / f'{name}.png', draw, pairs)
    if args.images and annotated(pairs):
        from r2vos_mm.visualization import write_image

        write_image(args.out / 'worst.png', worst_sheet(pairs, args))
        print(args.out / 'worst.png')


if __name__ == '__main__':
    main()
