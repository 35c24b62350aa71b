"""Compute the metrics of runs on common pairs, and lay them out as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from r2vos_mm.evaluation.functional.bootstrap import bootstrap_weights
from r2vos_mm.evaluation.metrics.metric_values import (
    DEFAULT_GROUPS,
    GATES,
    EvalSet,
    as_dictionary,
    metric_values,
)
from r2vos_mm.evaluation.metrics.pair_scores import PairScores

from .runs import Run
from .statistics import (
    Estimate,
    Estimates,
    cluster_pairs,
    differences_of,
    estimates_of,
    statistics_of,
)

METRICS = ('J', 'F', 'J&F', 'R', 'J&F&R', 'cgF1', 'pmF1', 'IL_MCC', 'IL_FPR', 'AUROC')
_UNIT_METRICS = ('IL_MCC', 'AUROC')  # not in percent
UNKNOWN = Estimate(float('nan'), float('nan'), float('nan'))


class Cell(NamedTuple):
    """A number, its interval, and whether that excludes 0 for a difference."""

    value: str
    interval: str = ''
    is_marked: bool = False


class MetricsRow(NamedTuple):
    """One line of a table of metrics: a run, by its number, and a state of its gate."""

    run: int
    name: str
    gate: str
    cells: list[Cell]


@dataclass
class Measured:
    """Metrics of runs: tables, and estimates by state of the gate for each run."""

    rows: list[MetricsRow] = field(default_factory=list)
    differences: list[MetricsRow] = field(default_factory=list)
    values: list[dict[str, str]] = field(default_factory=list)
    estimates: list[dict[str, dict[str, Estimate]]] = field(default_factory=list)


def measure(runs: Sequence[Run], pairs: Sequence[list[PairScores]]) -> Measured:
    """Compute the metrics of runs on common pairs, with intervals from the same draws."""
    clusters, size = cluster_pairs(pairs[0])
    weights, measured = bootstrap_weights(size), Measured()
    first: dict[str, Estimates] = {}
    for number, (run, own) in enumerate(zip(runs, pairs)):
        eval_set = eval_set_of_run(run, own)
        known = as_dictionary(metric_values(eval_set))
        measured.values.append({name: _value_text(value) for name, value in known.items()})
        measured.estimates.append({})
        for prefix, state in GATES.items() if run.has_verdict else [('', '')]:
            masks = eval_set.before_gate() if prefix else eval_set
            found = estimates_of(statistics_of(list(masks.pairs), clusters, size), weights)
            found.values.update(_values_without_draws(found, known, prefix))
            measured.estimates[-1][prefix] = found.values
            head = number, run.name, state
            measured.rows.append(_row(head, found.values))
            if number:
                changed = differences_of(first.get(prefix, first['']), found)
                measured.differences.append(_row(head, changed, is_difference=True))
            else:
                first[prefix] = found
    return measured


def _value_text(value: float) -> str:
    return '–' if np.isnan(value) else f'{value:.4f}'


def _row(
    head: tuple[int, str, str], estimates: Mapping[str, Estimate], *, is_difference: bool = False
) -> MetricsRow:
    options = dict(is_difference=is_difference)
    return MetricsRow(
        *head, [cell_of(name, estimates.get(name, UNKNOWN), **options) for name in METRICS]
    )


def _values_without_draws(
    estimates: Estimates, known: Mapping[str, float], prefix: str
) -> dict[str, Estimate]:
    """Return values, without an interval, of the metrics that have no estimate."""
    plain = {name: known.get(prefix + name) for name in METRICS if name not in estimates.values}
    return {n: Estimate(v, *UNKNOWN[1:]) for n, v in plain.items() if v is not None}


def eval_set_of_run(run: Run, pairs: Sequence[PairScores]) -> EvalSet:
    """Return pairs with the protocols and groups of the run's test that need no objects."""
    protocols = [p for p in run.metric.get('protocols') or () if p != 'davis_unsup']
    return EvalSet(
        pairs,
        protocols=tuple(dict.fromkeys(('per_expression', *protocols))),
        groups=tuple(dict.fromkeys((*DEFAULT_GROUPS, *(run.metric.get('groups') or ())))),
        gate_threshold=run.gate_threshold,
    )


def cell_of(name: str, entry: Estimate, *, is_difference: bool = False) -> Cell:
    """Return a metric, or a difference of it, and its interval as text."""
    if not entry.is_known:
        return Cell('–')
    form = ('+' if is_difference else '') + ('.3f' if name in _UNIT_METRICS else '.1f')
    value, low, high = (f'{number:{form}}'.replace('-', '−') for number in entry)
    interval = '' if np.isnan(entry.low) else f'{low} to {high}'
    return Cell(value, interval, is_difference and entry.excludes_zero)


def kinds_in(pairs: Iterable[PairScores]) -> list[str]:
    """Return the kinds of negative pairs in order."""
    return sorted({pair.kind for pair in pairs if pair.is_negative})


def kind_rows(
    runs: Sequence[Run], pairs: Sequence[Sequence[PairScores]], measured: Measured
) -> list[dict[str, Any]]:
    """Return pairs, AUROC and R by kind of negative pairs, one line per kind and run."""
    rows = []
    for kind in kinds_in(pairs[0]):
        count = sum(pair.kind == kind for pair in pairs[0])
        for number, run in enumerate(runs):
            of_run, found = measured.values[number], measured.estimates[number]
            cells = [
                cell_of('R', found[prefix].get(f'R/{kind}', UNKNOWN))
                if prefix in found
                else Cell('–')
                for prefix in GATES
            ]
            cells.append(Cell(of_run.get(f'AUROC/{kind}', '–')))
            rows.append(dict(kind=kind, count=count, run=number, name=run.name, cells=cells))
    return rows


class TableRow(NamedTuple):
    """One line of a table: a name, the values of all runs, and whether they differ."""

    name: str
    values: list[str]
    differs: bool


def table_of(columns: Sequence[Mapping[str, str]], *, compared: bool = True) -> list[TableRow]:
    """Return the lines of a table with one column per run; '–' for values that are unknown.

    With ``compared=False`` no line counts as differing.
    """
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [(name, [column.get(name, '–') for column in columns]) for name in names]
    return [TableRow(name, values, compared and len({*values}) > 1) for name, values in rows]
