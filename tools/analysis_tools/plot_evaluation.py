"""Figures of an evaluation, all drawn from the CSV that JFRMetric or evaluate_masks.py wrote.

    plot_evaluation.py pairs.csv --out figures
    plot_evaluation.py pairs.csv --out figures --images JPEGImages --worst 8 \
        --pred PRED --gt Annotations --expressions meta_expressions.json

writes ``roc.png``, ``precision_recall.png`` and ``scores.png`` (histogram) of the verdict where the
model has one, ``j_over_time.png``, and with ``--images`` ``worst.png``: the annotated pairs with
the lowest J, with the masks of ``--pred`` and ``--gt`` if these are given.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from r2vos_mm.engine.launch import UsageError, short_errors
from r2vos_mm.evaluation import auroc, average_precision, verdict_curve
from r2vos_mm.evaluation.metrics.pair_rows import PairRow
from r2vos_mm.evaluation.metrics.row_files import read_pairs
from r2vos_mm.evaluation.offline import MaskFiles, Truth, VideoTask, find_truth, open_masks
from r2vos_mm.visualization import ClipView, FrameFiles, PairView, contact_sheet, write_image

TIME_BINS = 20


def draw_roc(axes: Axes, rows: Sequence[PairRow]) -> None:
    """ROC curve of the consensus, aligned pairs being the class to find."""
    positives, negatives = scores_of(rows)
    curve = verdict_curve(positives, negatives)
    axes.plot([0, *curve.false_positive_rate], [0, *curve.true_positive_rate], color='C0')
    axes.plot([0, 1], [0, 1], color='0.7', linewidth=0.8, linestyle='--')
    axes.set_xlabel('negative pairs accepted')
    axes.set_ylabel('positive pairs accepted')
    axes.set_title(f'ROC of the verdict, AUROC {auroc(positives, negatives):.3f}', fontsize=10)


def draw_precision_recall(axes: Axes, rows: Sequence[PairRow]) -> None:
    """Precision over recall as steps, aligned pairs being the class to find."""
    positives, negatives = scores_of(rows)
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


def draw_scores(axes: Axes, rows: Sequence[PairRow]) -> None:
    """Histogram of the consensus for positives and for each kind of negatives."""
    bins = np.linspace(0, 1, 26)
    for kind in sorted({row.kind for row in rows}, key=lambda kind: (kind != 'positive', kind)):
        scores = [row.consensus for row in rows if row.kind == kind and row.consensus is not None]
        axes.hist(scores, bins, histtype='step', linewidth=1.6, label=f'{kind} ({len(scores)})')
    axes.axvline(0.5, color='0.7', linewidth=0.8, linestyle='--')
    axes.set_xlabel('consensus')
    axes.set_ylabel('pairs')
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=8)
    axes.set_title('Consensus of positive and negative pairs', fontsize=10)


def draw_region_over_time(axes: Axes, rows: Sequence[PairRow]) -> None:
    """Mean J over the course of the videos, and its quartiles over pairs, gate off and on."""
    centres = (np.arange(TIME_BINS) + 0.5) / TIME_BINS
    gates = [('ungated', 'gate off', 'C0'), ('gated', 'gate on', 'C1')]
    if not any(row.consensus is not None for row in rows):
        gates = [('gated', 'all pairs', 'C0')]
    for gate, label, colour in gates:
        curves = np.array([binned(getattr(row, gate).region) for row in annotated(rows)])
        low, high = np.nanquantile(curves, [0.25, 0.75], axis=0)
        axes.fill_between(centres, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(centres, np.nanmean(curves, axis=0), color=colour, label=label)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel('position in the video')
    axes.set_ylabel('J')
    axes.legend(fontsize=8)
    axes.set_title(f'J over time, mean and quartiles of {len(annotated(rows))} pairs', fontsize=10)


def binned(values: Sequence[float]) -> np.ndarray:
    """Values per frame (T,) at the middles of ``TIME_BINS`` parts of the video."""
    position = (np.arange(TIME_BINS) + 0.5) / TIME_BINS * len(values)
    return np.asarray(values)[position.astype(int)]


def annotated(rows: Sequence[PairRow]) -> list[PairRow]:
    """Rows that have J and F."""
    return [row for row in rows if row.gated.region is not None]


def scores_of(rows: Sequence[PairRow]) -> tuple[list[float], list[float]]:
    """Consensus of positive and of negative pairs."""
    known = [row for row in rows if row.consensus is not None]
    return (
        [row.consensus for row in known if not row.is_negative],
        [row.consensus for row in known if row.is_negative],
    )


def save(path: Path, draw: Callable[[Axes, Sequence[PairRow]], None], rows: list[PairRow]) -> None:
    """Draw one figure and write it."""
    figure = Figure(figsize=(5.2, 4.0), dpi=120, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(alpha=0.3)
    draw(axes, rows)
    canvas.draw()
    write_image(path, np.array(canvas.buffer_rgba())[..., :3])
    print(path)


def worst_sheet(rows: Sequence[PairRow], args: argparse.Namespace) -> np.ndarray:
    """Contact sheet of the annotated pairs with the lowest J, the worst first."""
    worst = sorted(annotated(rows), key=lambda row: (np.mean(row.gated.region), row.pair_id))
    predictions = open_masks(args.pred) if args.pred else None
    truth, tasks = find_truth(args.gt, args.expressions, args.pairs) if args.gt else (None, [])
    by_video = {task.video: task for task in tasks}
    return contact_sheet(
        [
            clip_of(row, args.images, predictions, truth, by_video.get(row.video))
            for row in worst[: args.worst]
        ]
    )


def clip_of(
    row: PairRow,
    images: Path,
    predictions: MaskFiles | None,
    truth: Truth | None,
    task: VideoTask | None,
) -> ClipView:
    """One row of the sheet: the frames of the pair with what masks there are."""
    frames = FrameFiles([images / row.video / f'{frame}.jpg' for frame in row.frame_ids])
    shape = frames[0].shape[:2]
    pred, true = None, None
    if predictions is not None:
        folder = row.pair_id.removesuffix('/p')
        found = [predictions.read(folder, name, i) for i, name in enumerate(row.frame_ids)]
        pred = np.stack([np.zeros(shape, bool) if mask is None else mask > 0 for mask in found])
    pair = (
        next((pair for pair in task.pairs if pair.pair_id == row.pair_id), None) if task else None
    )
    if truth is not None and pair is not None:
        true = np.zeros((len(row.frame_ids), *truth.shape(task)), dtype=bool)
        for index in range(len(row.frame_ids)):
            objects = truth.object_masks(task, index)
            for name in pair.target:
                true[index] |= objects.get(name, False)
    view = PairView(
        row.sentence, masks=pred, true_masks=true, consensus=row.consensus, is_negative=False
    )
    title = f'{row.video}: J {100 * np.mean(row.gated.region):.1f}'
    return ClipView(frames, view, title, row.frame_ids)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('csv', type=Path)
    parser.add_argument('--out', type=Path, required=True, help='folder for the figures')
    parser.add_argument('--images', type=Path, help='frames <video>/<frame>.jpg: draws worst.png')
    parser.add_argument('--worst', type=int, default=8, help='pairs in worst.png')
    parser.add_argument('--pred', type=Path, help='predicted masks: folder, zip or JSON')
    parser.add_argument('--gt', type=Path, help='annotated masks')
    parser.add_argument('--expressions', type=Path, help='meta_expressions.json with object ids')
    parser.add_argument('--pairs', type=Path, help='pairs file')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw what the CSV has numbers for."""
    args = parse_args(argv)
    with short_errors():
        try:
            rows = read_pairs(args.csv)
            figures: dict[str, Callable] = {}
            if all(scores_of(rows)):
                figures = {'roc': draw_roc, 'precision_recall': draw_precision_recall}
            if any(row.consensus is not None for row in rows):
                figures['scores'] = draw_scores
            if annotated(rows):
                figures['j_over_time'] = draw_region_over_time
            for name, draw in figures.items():
                save(args.out / f'{name}.png', draw, rows)
            if args.images and annotated(rows):
                write_image(args.out / 'worst.png', worst_sheet(rows, args))
                print(args.out / 'worst.png')
        except ValueError as error:
            raise UsageError(str(error)) from error


if __name__ == '__main__':
    main()
