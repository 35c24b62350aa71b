"""Numbers of runs as texts."""

from pathlib import Path

import numpy as np
from samples import block, sample_of

from r2vos_mm.evaluation.metrics.eval_sample import read_sample
from r2vos_mm.evaluation.metrics.pair_scores import PairScores, pair_scores
from r2vos_mm.report.runs import Run
from r2vos_mm.report.statistics import Estimate
from r2vos_mm.report.tables import (
    METRICS,
    UNKNOWN,
    Cell,
    cell_of,
    kind_rows,
    measure,
    table_of,
)

EMPTY, FULL = np.zeros((1, 20, 50), dtype=bool), block(10, 40)


def scored(columns: dict[str, int], consensus: float = 0.9) -> list[PairScores]:
    """One positive pair per video with a mask of so many columns of 40, and a silent negative."""
    found = []
    for name, count in columns.items():
        ids, masks = [f'{name}/0/p', f'{name}/0/n0'], np.stack([block(10, count), EMPTY])
        sample = sample_of(name, ids, np.stack([FULL, EMPTY]), masks, [consensus, 0.1])
        found += pair_scores(read_sample(sample), bound_th=0.008)
    return sorted(found, key=lambda pair: pair.pair_id)


def test_cells():
    assert cell_of('J', Estimate(12.34, 1.0, 23.0)) == ('12.3', '1.0 to 23.0', False)
    assert cell_of('R', Estimate(-2.5, float('nan'), float('nan'))) == ('−2.5', '', False)
    assert cell_of('J', UNKNOWN) == cell_of('J', UNKNOWN, is_difference=True) == Cell('–')
    assert cell_of('IL_MCC', Estimate(-0.2, -0.3, -0.1), is_difference=True) == (
        '−0.200',
        '−0.300 to −0.100',
        True,
    )
    assert cell_of('J', Estimate(1, -1, 3), is_difference=True) == ('+1.0', '−1.0 to +3.0', False)


def test_two_runs():
    """J of A is 1 and 0.5, of B 0.5 and 0.25; draws of two videos differ by 50, 37.5 or 25."""
    pairs = [scored(dict(a=40, b=20)), scored(dict(a=20, b=10))]
    runs = [Run(name, Path(), own) for name, own in zip('AB', pairs)]
    found = measure(runs, pairs)
    rows = {(row.name, row.gate): dict(zip(METRICS, row.cells)) for row in found.rows}
    assert set(rows) == {('A', 'on'), ('A', 'off'), ('B', 'on'), ('B', 'off')}
    assert rows['A', 'on']['J'] == ('75.0', '50.0 to 100.0', False)
    assert rows['A', 'on']['R'] == ('100.0', '100.0 to 100.0', False)
    assert rows['A', 'on']['AUROC'].value == '1.000'
    (on, _) = found.differences
    assert (on.run, on.name, on.gate) == (1, 'B', 'on')
    differences = dict(zip(METRICS, on.cells))
    assert differences['J'] == ('−37.5', '−50.0 to −25.0', True)
    assert differences['R'] == ('+0.0', '+0.0 to +0.0', False)
    assert found.values[0]['J'] == '75.0000'
    (first, second) = kind_rows(runs, pairs, found)
    assert (first['kind'], first['count'], first['name']) == ('other_video', 2, 'A')
    assert [cell.value for cell in first['cells']] == ['100.0', '100.0', '1.0000']
    assert second['run'] == 1


def test_without_verdict_there_is_one_row():
    pairs = [PairScores(**vars(p) | dict(consensus=None)) for p in scored(dict(a=40))]
    found = measure([Run('A', Path(), pairs)], [pairs])
    ((run, name, gate, cells),) = found.rows
    assert (run, name, gate) == (0, 'A', '')
    assert dict(zip(METRICS, cells))['AUROC'] == Cell('–')
    assert dict(zip(METRICS, cells))['cgF1'].value == '100.0'


def test_negatives_without_positive_have_r_but_no_interval():
    """All negatives are silent; one is of a video without the positive pair."""
    pairs = scored(dict(a=40, b=10))
    lost = PairScores(**vars(pairs[0]) | dict(pair_id='x/0/n0', video='x'))
    pairs = [*pairs[1:], lost]
    found = measure([Run(name, Path(), pairs) for name in 'AB'], [pairs, pairs])
    cells = dict(zip(METRICS, found.rows[0].cells))
    assert cells['R'] == ('100.0', '', False)
    assert cells['J'].interval
    assert dict(zip(METRICS, found.differences[0].cells))['R'] == ('+0.0', '', False)


def test_lines_of_texts():
    columns = [dict(a='1', b='2'), dict(b='2', c='3')]
    assert table_of(columns) == [
        ('a', ['1', '–'], True),
        ('b', ['2', '2'], False),
        ('c', ['–', '3'], True),
    ]
    assert not any(row.differs for row in table_of(columns, compared=False))
