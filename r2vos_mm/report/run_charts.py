"""Make the charts of a report from the pairs and metrics of runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from r2vos_mm.evaluation.functional.verdict import auroc, verdict_curve
from r2vos_mm.evaluation.metrics.pair_scores import PairScores

from .charts import Chart, add_dots, add_line, bars, plane
from .curves import THRESHOLDS, gate_curves, mean_jf
from .runs import Run
from .tables import UNKNOWN, Measured, kinds_in


def charts_of(
    runs: Sequence[Run], pairs: Sequence[Sequence[PairScores]], measured: Measured
) -> list[Chart]:
    """Return the charts for which the pairs have values."""
    names = [run.name for run in runs]
    found = [roc_chart(names, pairs), *gate_charts(runs, pairs, measured)]
    found.append(kind_chart(names, pairs[0], measured))
    found += [scatter(names, pairs, number) for number in range(1, len(runs))]
    return [chart for chart in found if chart is not None]


def roc_chart(names: Sequence[str], pairs: Sequence[Sequence[PairScores]]) -> Chart | None:
    """Return the ROC curves of the consensus, None without any."""
    chart = plane(
        'ROC of the verdict',
        ('negative pairs accepted', 0, 1),
        ('positive pairs accepted', 0, 1),
        diagonal=True,
    )
    values = []
    for run, own in enumerate(pairs):
        known = [pair for pair in own if pair.consensus is not None]
        sides = [[p.consensus for p in known if p.is_negative == side] for side in (False, True)]
        if all(sides):
            curve = verdict_curve(*sides)
            rates = curve.false_positive_rate, curve.true_positive_rate
            add_line(chart, *([0, *rate] for rate in rates), run)
            values.append(f'{names[run]}: {auroc(*sides):.3f}')
    chart.note = f'AUROC {", ".join(values)}.'
    return chart if chart.lines else None


def gate_charts(
    runs: Sequence[Run], pairs: Sequence[Sequence[PairScores]], measured: Measured
) -> list[Chart]:
    """Return J&F, R and cgF1 over the threshold of the gate."""
    curves = [gate_curves(own) for own in pairs]
    charts = []
    for name in ('J&F', 'R', 'cgF1'):
        known = [(run, curve[name]) for run, curve in enumerate(curves) if name in curve]
        if not known:
            continue
        lowest = min(0, *(float(curve.min()) for _, curve in known))
        low = max(-100, 20 * np.floor(lowest / 20))
        chart = plane(
            f'{name} over the gate',
            ('threshold of the gate', 0, 1),
            (f'{name} in percent', float(low), 100),
            note='Dots: the threshold of each test.',
        )
        for run, curve in known:
            add_line(chart, THRESHOLDS, curve, run)
            entry, threshold = (
                measured.estimates[run][''].get(name, UNKNOWN),
                runs[run].gate_threshold,
            )
            if entry.is_known:
                title = f'{runs[run].name}: {entry.value:.1f} at {threshold:g}'
                add_dots(chart, [threshold], [entry.value], [title], run)
        charts.append(chart)
    return charts


def kind_chart(
    names: Sequence[str], pairs: Sequence[PairScores], measured: Measured
) -> Chart | None:
    """Return R by kind of negative pairs with the gate on, None without negatives."""
    kinds = kinds_in(pairs)
    if not kinds:
        return None
    values = [[found[''].get(f'R/{kind}') for found in measured.estimates] for kind in kinds]
    return bars('R by kind of negative', 'R in percent, gate on', kinds, values, names)


def scatter(
    names: Sequence[str], pairs: Sequence[Sequence[PairScores]], number: int
) -> Chart | None:
    """Return J&F of each annotated pair in the first run and another one."""
    both = [
        (a, b)
        for a, b in zip(pairs[0], pairs[number])
        if a.region is not None and b.region is not None and a.is_read and b.is_read
    ]
    if not both:
        return None
    x, y = ([100 * mean_jf(pair) for pair in side] for side in zip(*both))
    better = sum(second > first for first, second in zip(x, y))
    worse = sum(second < first for first, second in zip(x, y))
    chart = plane(
        f'J&F of each pair: {names[number]} against {names[0]}',
        (names[0], 0, 100),
        (names[number], 0, 100),
        note=f'{names[number]} is better on {better} pairs and worse on {worse} of {len(both)}.',
        diagonal=True,
    )
    titles = [
        f'{a.video}: {a.expression} ({first:.1f} / {second:.1f})'
        for (a, _), first, second in zip(both, x, y)
    ]
    add_dots(chart, x, y, titles, number)
    return chart
