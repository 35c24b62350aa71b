"""What a study leaves: all numbers as JSON, the tables as Markdown, one figure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from r2vos_mm.utils.files import write_atomically
from r2vos_mm.visualization import write_image

from .plan import GATES, Run, Study, Table
from .run_folder import Result, RunFolder
from .tables import Line, Statistic, as_record, figure_of, lines_of

FILES = ('study.json', 'study.md', 'study.png')
_NOTHING = '–'
_SHARES = ('AUROC', 'AP', 'FPR', 'gate_')  # beginnings of figures in [0, 1]; others are percent
_DRAWN = ('J&F', 'R')
_COLOURS = {'off': 'C0', 'on': 'C1'}
_BAR_WIDTH = 0.38


@dataclass(frozen=True)
class Report:
    """A study with the results that are there.

    Attributes:
        study: the study.
        command: command line that makes the report.
        results: of finished runs.
        missing: titles of the runs that are not finished.
    """

    study: Study
    command: str
    results: tuple[Result, ...]
    missing: tuple[str, ...]

    @classmethod
    def collect(cls, study: Study, runs: Sequence[Run], command: str) -> Report:
        """Read the results of all finished runs."""
        found = {run.title: RunFolder(run).result for run in runs}
        return cls(
            study=study,
            command=command,
            results=tuple(result for result in found.values() if result is not None),
            missing=tuple(title for title, result in found.items() if result is None),
        )

    def write(self, folder: Path) -> list[Path]:
        """Write :data:`FILES`, the figure only if there is a result; returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        record, text, picture = (folder / name for name in FILES)
        write_atomically((json.dumps(self.as_record(), indent=1) + '\n').encode(), record)
        write_atomically(self.as_markdown().encode(), text)
        if not self.results:
            return [record, text]
        write_image(picture, draw(self.study, self.results))
        return [record, text, picture]

    def as_record(self) -> dict:
        """Everything in plain types."""
        return {
            'format': 'r2vos-study/1',
            'title': self.study.title,
            'command': self.command,
            'missing': self.missing,
            'tables': as_record(self.study, self.results),
            'runs': [asdict(result) for result in self.results],
        }

    def as_markdown(self) -> str:
        """The tables, what they rest on, and how to make them again."""
        parts = [f'# {self.study.title}', self._summary()]
        for table in self.study.tables:
            parts += [f'## {table.title}', markdown_table(table, lines_of(table, self.results))]
        parts.append(
            'Percent, AUROC from 0 to 1; mean ± sample standard deviation (divisor n - 1) over '
            '`n` seeds. J and F are those of positive pairs; gate off: masks before the verdict '
            f'empties them, as in Table C of the paper. {_NOTHING}: the model gives no verdict, or '
            'no run is finished.'
        )
        parts += ['## Runs', self._runs(), '## Again', f'```bash\n{self.command}\n```']
        return '\n\n'.join(parts) + '\n'

    def _summary(self) -> str:
        """What was done, under which budget, where."""
        if not self.results:
            return f'No run is finished; missing: {", ".join(self.missing)}.'
        budgets = sorted({_budget(result) for result in self.results})
        devices = sorted({_machine(result) for result in self.results})
        lines = [
            f'{len(self.results)} runs, each {" or ".join(budgets)}, on {" or ".join(devices)}. '
            'Every run was tested once, with its last checkpoint.'
        ]
        commits = {result.commit for result in self.results}
        if len(commits) > 1:
            lines.append(f'The runs were made by {len(commits)} states of the code (see Runs).')
        if self.missing:
            lines.append(f'**Not finished**: {", ".join(self.missing)}.')
        return '\n\n'.join(lines)

    def _runs(self) -> str:
        """One line a run: where its numbers come from."""
        lines = [['config', 'seed', 'config hash', 'commit', 'training']]
        for result in self.results:
            short_hash, minutes = result.config_sha256[:12], f'{result.train_minutes:.1f} min'
            commit = _short_commit(result.commit)
            lines.append([result.name, str(result.seed), short_hash, commit, minutes])
        return _markdown(lines, left=1)


def _budget(result: Result) -> str:
    length = 'by epochs' if result.max_iters is None else f'{result.max_iters} iterations'
    return f'{length} of {result.clips_per_iter} clips in {result.processes} processes'


def _machine(result: Result) -> str:
    versions = dict(result.versions)
    device = versions.pop('device')
    return f'{device} ({", ".join(f"{name} {value}" for name, value in versions.items())})'


def _short_commit(commit: str | None) -> str:
    """Twelve digits of a commit, and whether files were changed."""
    if commit is None:
        return 'unknown'
    digits, changed, _ = commit.partition('-dirty')
    return digits[:12] + (' with changes' if changed else '')


def markdown_table(table: Table, lines: Sequence[Line]) -> str:
    """A table in Markdown, a line per method and gate."""
    rows = [['', 'gate', *table.columns, 'n']]
    for line in lines:
        cells = [format_cell(column, line.cells[column]) for column in table.columns]
        rows.append([line.row.label, line.gate, *cells, str(len(line.seeds))])
    return _markdown(rows, left=2)


def format_cell(column: str, cell: Statistic | None) -> str:
    """Mean and spread with one decimal in percent, with three from 0 to 1.

    >>> format_cell('J', Statistic({0: 40.0, 1: 42.0}))
    '41.0 ± 1.4'
    """
    if cell is None:
        return _NOTHING
    digits = 3 if column.startswith(_SHARES) else 1
    spread = '' if cell.std is None else f' ± {cell.std:.{digits}f}'
    return f'{cell.mean:.{digits}f}{spread}'


def _markdown(rows: Sequence[Sequence[str]], *, left: int) -> str:
    """Rows as a Markdown table, the first being the head, ``left`` columns flush left."""
    head, *body = rows
    rule = ['---'] * left + ['---:'] * (len(head) - left)
    return '\n'.join(f'| {" | ".join(row)} |' for row in (head, rule, *body))


def draw(study: Study, results: Sequence[Result]) -> np.ndarray:
    """(H, W, 3) uint8: J&F and R of every table, bars for means, points for seeds."""
    tables = study.tables
    widths = [max(4.0, 1.3 * len(table.rows)) for table in tables]
    size = (sum(widths) + 1, 3.4 * len(_DRAWN) + 1)
    figure = Figure(figsize=size, dpi=110, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    grid = figure.subplots(len(_DRAWN), len(tables), squeeze=False, width_ratios=widths)
    for axes_row, key in zip(grid, _DRAWN):
        for axes, table in zip(axes_row, tables):
            _draw_bars(axes, table, key, results)
            axes.set_title(table.title if key == _DRAWN[0] else '', fontsize=10)
    colours = [Patch(color=_COLOURS[gate], alpha=0.5, label=f'gate {gate}') for gate in GATES]
    grid[0][0].legend(handles=colours, fontsize=8)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def _draw_bars(axes: Axes, table: Table, key: str, results: Sequence[Result]) -> None:
    """One figure of the methods of a table, gate off and on side by side."""
    for side, gate in enumerate(GATES):
        place = (side - 0.5) * _BAR_WIDTH
        for position, row in enumerate(table.rows):
            found = (result for result in results if result.name == row.name)
            values = [figure_of(result.metrics, key, gate) for result in found]
            values = [value for value in values if value is not None]
            if values:
                x = position + place
                axes.bar(x, np.mean(values), _BAR_WIDTH, color=_COLOURS[gate], alpha=0.5)
                axes.plot([x] * len(values), values, '.', color='0.15', markersize=5)
    labels = [row.label.replace(' without ', '\nwithout ') for row in table.rows]
    axes.set_xticks(range(len(labels)), labels, fontsize=8)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_ylabel(f'{key} (percent)', fontsize=9)
    axes.tick_params(axis='y', labelsize=8)
    axes.grid(axis='y', alpha=0.3)
    axes.axhline(0, color='0.15', linewidth=0.8)
