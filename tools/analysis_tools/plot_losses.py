"""Plot loss and validation curves of one or several runs in one figure.

``python tools/analysis_tools/plot_losses.py work_dirs/tiny work_dirs/ablation --out curves.png``
reads the ``vis_data/scalars.json`` that MMEngine writes into each working folder. If a
folder contains several starts of a run (resumed or restarted), they form one curve: a later start
replaces the values from its first step on.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from r2vos_mm.utils.cli import UsageError, check_outputs, parser_of, short_errors
from r2vos_mm.utils.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_METRICS = ('J&F', 'R', 'AUROC')


@dataclass(frozen=True)
class Run:
    """The logged values of a run.

    Attributes:
        name: for the legend.
        records: logged values, by rising iteration; each has ``step``, the iteration.
    """

    name: str
    records: list[dict[str, float]]

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return iterations (n,) and values (n,) of one name, empty if it was never logged."""
        points = [(record['step'], record[name]) for record in self.records if name in record]
        steps, values = zip(*points) if points else ((), ())
        return np.asarray(steps, float), np.asarray(values, float)


def read_run(path: Path) -> Run:
    """Read the run in a working folder, in the folder of one start, or in one ``scalars.json``.

    Raises:
        UsageError: There is no ``scalars.json``, or it has no values.
    """
    files = [path] if path.is_file() else sorted(path.glob('**/vis_data/scalars.json'))
    records: list[dict[str, float]] = []
    for file in files:
        start = read_records(file)
        if start:
            records = [r for r in records if r['step'] < start[0]['step']] + start
    if not records:
        raise UsageError(
            f'{path} has no vis_data/scalars.json with values: use the work_dir of a '
            'run with a LocalVisBackend'
        )
    return Run(path.parent.parent.parent.name if path.is_file() else path.resolve().name, records)


def read_records(file: Path) -> list[dict[str, float]]:
    """Return the lines of one ``scalars.json`` in order, with the iteration as ``step``.

    Epoch-based loops log a validation under its epoch, which is replaced by the last iteration
    before it. Incomplete lines are skipped.
    """
    records: list[dict[str, float]] = []
    iteration = 0
    for line in file.read_text().splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if is_training(record):
            iteration = record['step']
        elif record['step'] < iteration:
            record['step'] = iteration
        records.append(record)
    return records


def is_training(record: dict[str, float]) -> bool:
    """Return whether a line was logged by training, not by validation."""
    return 'lr' in record or any(name.rsplit('.', 1)[-1].startswith('loss') for name in record)


def default_losses(runs: Sequence[Run]) -> list[str]:
    """Return the total loss, then its terms, without auxiliary layers (``d0.loss_mask``)."""
    names = {name for run in runs for record in run.records for name in record}
    losses = (name for name in names if name.startswith('loss'))
    return sorted(losses, key=lambda name: (name != 'loss', name))


def logged_name(runs: Sequence[Run], name: str) -> str:
    """Return ``name`` as it was logged: metrics may have a prefix (``val/J&F``)."""
    names = {key for run in runs for record in run.records for key in record}
    return name if name in names else min((n for n in names if n.endswith(f'/{name}')), default='')


def smooth(values: np.ndarray, window: float) -> np.ndarray:
    """Return the exponential mean of (n,) values over about ``window`` of them, unbiased.

    s_t = sum_i a^(t-i) x_i / sum_i a^(t-i) with a = (window - 1) / (window + 1). Values that are
    not finite are skipped.
    """
    decay = (window - 1) / (window + 1)
    total, weight, means = 0.0, 0.0, []
    for value in values:
        if np.isfinite(value):
            total, weight = decay * total + value, decay * weight + 1
        means.append(total / weight if weight else np.nan)
    return np.asarray(means)


def plot(
    runs: Sequence[Run],
    *,
    losses: Sequence[str],
    metrics: Sequence[str],
    window: float = 10,
    log: bool = False,
) -> 'Figure':
    """Draw one panel per loss (raw and smoothed) and per metric (best value marked).

    Raises:
        UsageError: No run has any of these values.
    """
    from matplotlib.figure import Figure

    metrics = [name for name in (logged_name(runs, metric) for metric in metrics) if name]
    panels = [name for name in (*losses, *metrics) if any(len(run.curve(name)[0]) for run in runs)]
    if not panels:
        raise UsageError(
            'none of these values was logged; available: '
            f'{sorted({n for r in runs for record in r.records for n in record})}'
        )
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.0 * rows + 0.4), dpi=110, layout='constrained')
    for position, name in enumerate(panels):
        axes = figure.add_subplot(rows, columns, position + 1)
        for number, run in enumerate(runs):
            draw = draw_metric if name in metrics else draw_loss
            draw(axes, run, name, f'C{number}', window)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel('iteration', fontsize=8)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
        if log and name not in metrics:
            axes.set_yscale('log')
        if position == 0 or name in metrics:
            axes.legend(fontsize=7)
    return figure


def draw_loss(axes: 'Axes', run: Run, name: str, colour: str, window: float) -> None:
    """Draw the raw values in a lighter colour, and their exponential mean."""
    steps, values = run.curve(name)
    axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
    axes.plot(steps, smooth(values, window), color=colour, linewidth=1.5, label=run.name)


def draw_metric(axes: 'Axes', run: Run, name: str, colour: str, window: float) -> None:
    """Draw the values without smoothing, with a star on the best."""
    steps, values = run.curve(name)
    if not np.isfinite(values).any():
        return
    best = int(np.nanargmax(values))
    axes.plot(
        steps,
        values,
        color=colour,
        marker='o',
        markersize=3,
        linewidth=1.3,
        label=f'{run.name}: best {values[best]:.3f} at {steps[best]:.0f}',
    )
    axes.plot(steps[best], values[best], color=colour, marker='*', markersize=11)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('work_dirs', nargs='+', type=Path, help='working folders or scalars.json')
    parser.add_argument('--out', type=Path, help='default: curves.png in the first folder')
    parser.add_argument('--losses', nargs='*', help='names (default: loss and all loss_*)')
    parser.add_argument(
        '--metrics', nargs='*', default=list(_METRICS), help='names (default: %(default)s)'
    )
    parser.add_argument('--names', nargs='+', help='names of the runs in the legend')
    parser.add_argument(
        '--smooth',
        type=float,
        default=10,
        metavar='WINDOW',
        help='logged values to average over, 1 for none (default: %(default)s)',
    )
    parser.add_argument('--log', action='store_true', help='losses on a logarithmic scale')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(arguments)
    with short_errors(args.debug):
        check_outputs(args, 'out')
        if args.smooth < 1:
            raise UsageError(f'--smooth {args.smooth}: must be at least 1')
        if args.names and len(args.names) != len(args.work_dirs):
            raise UsageError(f'--names: {len(args.names)} names for {len(args.work_dirs)} runs')
        runs = [read_run(path) for path in args.work_dirs]
        if args.names:
            runs = [Run(name, run.records) for name, run in zip(args.names, runs)]
        losses = args.losses if args.losses is not None else default_losses(runs)
        figure = plot(runs, losses=losses, metrics=args.metrics, window=args.smooth, log=args.log)
        first = args.work_dirs[0]
        out = args.out or (first.parent if first.is_file() else first) / 'curves.png'
        with atomic_path(out) as temporary:
            figure.savefig(temporary)
        print(out)


if __name__ == '__main__':
    main()
