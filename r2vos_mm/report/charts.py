"""Lay out charts: the positions on screen of what a template draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from r2vos_mm.visualization.views import spread

WIDTH, HEIGHT = 420, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 44
_BAR, _GAP, _LABELS = 16, 14, 104
MAX_DOTS = 2000


class Axis:
    """A linear scale from values to positions on screen, with ticks at round values.

    Args:
        low, high: ends of the values.
        start, end: positions of the ends.
        label: name of the axis.
    """

    def __init__(self, low: float, high: float, start: float, end: float, label: str) -> None:
        self.low, self.high, self.start, self.end, self.label = low, high, start, end, label

    def __call__(self, value: float) -> float:
        """Return the position of a value; values beyond an end are drawn at that end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Positions and texts of round values."""
        return [(self(value), f'{value:g}') for value in round_values(self.low, self.high)]


def round_values(low: float, high: float, count: int = 8) -> list[float]:
    """Return at most ``count`` multiples of 1, 2 or 5 times a power of ten in [low, high].

    >>> round_values(0, 1), round_values(-100, 100)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [-100.0, -50.0, 0.0, 50.0, 100.0])
    """
    power = 10 ** math.floor(math.log10((high - low) / count))
    steps = (factor * power for factor in (1, 2, 5, 10, 20))
    for step in steps:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < count:
            break
    return [round(number * step, 10) + 0.0 for number in range(first, last + 1)]


class Line(NamedTuple):
    """A line: ``points`` of SVG, and the number of the run that it belongs to."""

    points: str
    run: int


class Dot(NamedTuple):
    """A point with a text that a browser shows under the mouse."""

    x: float
    y: float
    run: int
    title: str


class Bar(NamedTuple):
    """A horizontal bar from ``x`` over ``width``, with a whisker from ``low`` to ``high``."""

    x: float
    width: float
    y: float
    low: float | None
    high: float | None
    run: int
    title: str


@dataclass
class Chart:
    """A chart for the template.

    Attributes:
        title: head of the chart.
        x, y: the axes; y is None for bars.
        note: text below.
        diagonal: whether to draw the diagonal.
        rows: middles and names of groups of bars.
    """

    title: str
    x: Axis
    y: Axis | None = None
    note: str = ''
    diagonal: bool = False
    height: float = HEIGHT
    width: float = WIDTH
    lines: list[Line] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    rows: list[tuple[float, str]] = field(default_factory=list)


def plane(
    title: str,
    x: tuple[str, float, float],
    y: tuple[str, float, float],
    *,
    note: str = '',
    diagonal: bool = False,
) -> Chart:
    """Return an empty chart with two axes, each given by label, lowest and highest value."""
    across = Axis(*x[1:], _LEFT, WIDTH - _RIGHT, x[0])
    up = Axis(*y[1:], HEIGHT - _BOTTOM, _TOP, y[0])
    return Chart(title, across, up, note, diagonal)


def add_line(chart: Chart, x: Sequence[float], y: Sequence[float], run: int) -> None:
    """Add a line through points, of which at most 500 are drawn."""
    chosen = spread(len(x), 500)
    chart.lines.append(Line(' '.join(f'{chart.x(x[i])},{chart.y(y[i])}' for i in chosen), run))


def add_dots(
    chart: Chart, x: Sequence[float], y: Sequence[float], titles: Sequence[str], run: int
) -> None:
    """Add dots, of which at most :data:`MAX_DOTS` are drawn, with a note if there are more."""
    chosen = spread(len(x), MAX_DOTS) if len(x) else []
    chart.dots += [Dot(chart.x(x[i]), chart.y(y[i]), run, titles[i]) for i in chosen]
    if len(x) > MAX_DOTS:
        chart.note += f' {MAX_DOTS} of {len(x)} pairs are drawn.'


def bars(
    title: str,
    label: str,
    rows: Sequence[str],
    values: Sequence[Sequence[tuple[float, float, float] | None]],
    names: Sequence[str],
) -> Chart:
    """Return groups of horizontal bars with whiskers.

    Args:
        title, label: head, and name of the axis.
        rows: K names of groups.
        values: K lists with a value and its interval for each run; None or NaN draws no bar.
        names: names of the runs.
    """
    known = [value for row in values for value in row if value and not np.isnan(value[0])]
    lowest = min([0.0, *(value[0] for value in known)])
    axis = Axis(max(-100, 20 * math.floor(lowest / 20)), 100, _LABELS, WIDTH - _RIGHT, label)
    step = _BAR * len(names) + _GAP
    chart = Chart(title, axis, height=_TOP + step * len(rows) + _BOTTOM)
    for number, (row, of_runs) in enumerate(zip(rows, values)):
        top = _TOP + number * step + _GAP / 2
        chart.rows.append((top + _BAR * len(names) / 2, row))
        for run, value in enumerate(of_runs):
            if value and not np.isnan(value[0]):
                chart.bars.append(_bar(axis, value, top + run * _BAR, run, names[run]))
    return chart


def _bar(axis: Axis, value: tuple[float, float, float], y: float, run: int, name: str) -> Bar:
    start, end = sorted((axis(0), axis(value[0])))
    ends = [None if np.isnan(limit) else axis(limit) for limit in value[1:]]
    title = f'{name}: {value[0]:.1f}'
    if None not in ends:
        title += f' [{value[1]:.1f}, {value[2]:.1f}]'
    return Bar(start, round(end - start, 2), round(y, 2), *ends, run, title)
