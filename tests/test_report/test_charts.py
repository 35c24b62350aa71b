"""Positions of charts on screen."""

import pytest

from r2vos_mm.report.charts import add_dots, add_line, bars, plane, round_values


@pytest.mark.parametrize(
    ('low', 'high', 'values'),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (-40, 100, [-40, -20, 0, 20, 40, 60, 80, 100]),
        (-100, 100, [-100, -50, 0, 50, 100]),
    ],
)
def test_ticks_are_round(low: float, high: float, values: list[float]):
    assert round_values(low, high) == values


def test_lines_and_dots():
    """The plane spans 46 to 408 across and 256 to 12 upwards; values beyond it stay at its edge."""
    chart = plane('title', ('x', 0, 1), ('y', 0, 100))
    add_line(chart, [0, 0.5, 1], [0, 50, 200], 1)
    assert chart.lines == [('46.0,256.0 227.0,134.0 408.0,12.0', 1)]
    add_dots(chart, [0.5], [-5], ['<a>'], 0)
    assert chart.dots == [(227.0, 256.0, 0, '<a>')]
    assert chart.x.ticks[1] == (118.4, '0.2')


def test_many_points_are_thinned_and_said_so():
    chart = plane('title', ('x', 0, 5000), ('y', 0, 1))
    add_line(chart, range(5000), [1] * 5000, 0)
    assert len(chart.lines[0].points.split()) == 500
    add_dots(chart, range(5000), [1] * 5000, [''] * 5000, 0)
    assert len(chart.dots) == 2000
    assert chart.note == ' 2000 of 5000 pairs are drawn.'


def test_bars():
    """From -20 to 100 over 104 to 408, so that 0 is at 154.67."""
    nan = float('nan')
    values = [[(50, 40, 60), (-10, nan, nan)], [None, (nan, nan, nan)]]
    chart = bars('title', 'R', ['one', 'two'], values, ['A', 'B'])
    first, second = chart.bars
    assert first == (154.67, 126.66, 19, 256.0, 306.67, 0, 'A: 50.0 [40.0, 60.0]')
    assert second == (129.33, 25.34, 35, None, None, 1, 'B: -10.0')
    assert [name for _, name in chart.rows] == ['one', 'two']
    assert chart.rows[0][0] == 19 + 16
