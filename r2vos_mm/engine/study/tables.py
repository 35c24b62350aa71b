"""From the results of runs to the numbers of tables: mean and spread over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .plan import Row, Study, Table
from .run_folder import Result

_VERDICT = 'AUROC'
_UNGATED = 'ungated/'


@dataclass(frozen=True)
class Statistic:
    """Mean and spread of one figure over n seeds.

    Attributes:
        values: by seed.
    """

    values: dict[int, float]

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Arithmetic mean."""
        return statistics.fmean(self.values.values())

    @property
    def std(self) -> float | None:
        """Sample standard deviation sqrt(sum (x - mean)^2 / (n - 1)), None for one seed."""
        return statistics.stdev(self.values.values()) if self.n > 1 else None


@dataclass(frozen=True)
class Line:
    """A line of a table: one method with the gate off or on.

    Attributes:
        row: the method.
        gate: ``'off'`` or ``'on'``.
        seeds: those that are finished.
        cells: statistic by column; None where the model gives no such figure, or nothing is
            finished.
    """

    row: Row
    gate: str
    seeds: tuple[int, ...]
    cells: dict[str, Statistic | None]


def figure_of(metrics: Mapping[str, float | None], column: str, gate: str) -> float | None:
    """One figure of a test.

    Args:
        metrics: by the keys of :class:`r2vos_mm.evaluation.JFRMetric`.
        column: key without ``ungated/``.
        gate: ``'off'`` takes the figure of masks before the gate, where there is one.

    Returns:
        None if there is no such figure, or with the gate on if the model has no verdict.
    """
    if gate == 'on':
        return metrics.get(column) if metrics.get(_VERDICT) is not None else None
    return metrics.get(_UNGATED + column, metrics.get(column))


def lines_of(table: Table, results: Sequence[Result]) -> list[Line]:
    """The lines of a table, gates within rows."""
    return [_line(table, row, gate, results) for row in table.rows for gate in table.gates]


def _line(table: Table, row: Row, gate: str, results: Sequence[Result]) -> Line:
    """One line."""
    metrics = {result.seed: result.metrics for result in results if result.name == row.name}
    return Line(
        row=row,
        gate=gate,
        seeds=tuple(sorted(metrics)),
        cells={column: _cell(metrics, column, gate) for column in table.columns},
    )


def _cell(
    metrics: Mapping[int, Mapping[str, float | None]], column: str, gate: str
) -> Statistic | None:
    """Statistic of a figure, None if a seed lacks it: a mean of the others would mislead."""
    values = {seed: figure_of(found, column, gate) for seed, found in metrics.items()}
    if not values or None in values.values():
        return None
    return Statistic(values)


def as_record(study: Study, results: Sequence[Result]) -> list[dict]:
    """All tables in plain types."""
    return [
        {
            'name': table.name,
            'title': table.title,
            'lines': [_line_record(line) for line in lines_of(table, results)],
        }
        for table in study.tables
    ]


def _line_record(line: Line) -> dict:
    cells = {
        column: None
        if cell is None
        else {'mean': cell.mean, 'std': cell.std, 'n': cell.n, 'values': cell.values}
        for column, cell in line.cells.items()
    }
    return {
        'label': line.row.label,
        'config': line.row.config.name,
        'gate': line.gate,
        'seeds': line.seeds,
        'cells': cells,
    }
