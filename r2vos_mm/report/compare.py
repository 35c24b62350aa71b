"""Compare tested runs in one self-contained HTML file."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from r2vos_mm.evaluation.metrics.metric_values import gaps_in
from r2vos_mm.evaluation.metrics.pair_scores import PairScores
from r2vos_mm.evaluation.metrics.report import scored_pairs_sha256
from r2vos_mm.utils.files import PathLike, write_atomically
from r2vos_mm.version import __version__

from .dumped_config import config_difference
from .galleries import galleries_of
from .protocol import common_pairs, data_warnings, setting_warnings
from .run_charts import charts_of
from .runs import Run, read_run
from .tables import METRICS, TableRow, eval_set_of_run, kind_rows, measure, table_of


def compare_runs(
    runs: Sequence[PathLike],
    out: PathLike,
    *,
    names: Sequence[str] = (),
    data_root: PathLike | None = None,
    masks: Sequence[PathLike] = (),
    num_worst: int = 20,
) -> Path:
    """Write a report that compares runs, or describes one.

    Args:
        runs: work folders or CSV files of pairs, see :func:`.runs.read_run`; differences are to the
            first.
        out: HTML file to write.
        names: one name per run; by default those of the folders.
        data_root: folder of the data from which frames are drawn; by default that of the config of
            the first run that has one.
        masks: predicted masks of each run; by default those that testing has written beside the
            scores.
        num_worst: number of worst positive pairs, and of false alarms, per run.

    Returns:
        The path of the file.

    Raises:
        FileNotFoundError, ValueError: a run cannot be read, the runs have no pair in common, or
            there are not as many names or masks as runs.
    """
    for what, given in (('names', names), ('masks', masks)):
        if given and len(given) != len(runs):
            raise ValueError(
                f'{len(given)} {what} for {len(runs)} runs: give one for each, or none'
            )
    read = [
        read_run(path, name=name, masks=of_run)
        for path, name, of_run in zip(
            runs, names or [''] * len(runs), masks or [None] * len(runs), strict=True
        )
    ]
    _make_names_unique(read)
    page = describe(read, data_root=data_root and Path(data_root), num_worst=num_worst)
    write_atomically(render(page), out)
    return Path(out)


def _make_names_unique(runs: Sequence[Run]) -> None:
    names = [run.name for run in runs]
    for number, run in enumerate(runs, start=1):
        if names.count(run.name) > 1:
            run.name = f'{run.name} ({number})'


def render(page: Mapping[str, Any]) -> str:
    """Return the HTML of a page; texts in it are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / 'static'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template('report.html').render(page)


def describe(
    runs: Sequence[Run], *, data_root: Path | None = None, num_worst: int = 20
) -> dict[str, Any]:
    """Return all that the template shows about runs."""
    pairs, warnings = common_pairs(runs)
    settings = config_difference([run.config for run in runs if run.config is not None])
    measured = measure(runs, pairs)
    return dict(
        title=' / '.join(run.name for run in runs),
        created=datetime.date.today().isoformat(),
        version=__version__,
        runs=runs,
        warnings=[*warnings, *data_warnings(runs, pairs), *setting_warnings(runs, settings)],
        notes=_notes(runs, pairs),
        metrics=METRICS,
        rows=measured.rows,
        differences=measured.differences,
        charts=charts_of(runs, pairs, measured),
        kinds=kind_rows(runs, pairs, measured),
        galleries=galleries_of(runs, pairs, data_root=data_root, count=num_worst),
        num_worst=num_worst,
        configured=[run.name for run in runs if run.config is not None],
        settings=settings,
        values=table_of(measured.values, compared=False),
        **_counts(pairs[0]),
        **_origins(runs, pairs),
    )


def _notes(runs: Sequence[Run], pairs: Sequence[list[PairScores]]) -> list[str]:
    """Return what could not be read, and why values are NaN, one note per line."""
    return [
        f'{run.name}: {note}.'
        for run, own in zip(runs, pairs)
        for note in (*run.notes, *gaps_in(eval_set_of_run(run, own)))
    ]


def _counts(pairs: Sequence[PairScores]) -> dict[str, int]:
    """Return the numbers of common pairs and their videos."""
    return dict(
        num_pairs=len(pairs),
        num_negative=sum(pair.is_negative for pair in pairs),
        num_videos=len({pair.video for pair in pairs}),
    )


def _origins(runs: Sequence[Run], pairs: Sequence[list[PairScores]]) -> dict[str, list[TableRow]]:
    """Return tables of the environment, the files and the data of runs."""
    return dict(
        environment=table_of([run.environment for run in runs]),
        files=table_of([run.hashes for run in runs], compared=False),
        data=table_of([_data_hashes(own) for own in pairs]),
    )


def _data_hashes(pairs: Sequence[PairScores]) -> dict[str, str]:
    """Return hashes of common pairs, and of their frames and annotation."""
    truth = ''.join(f'{p.pair_id}\t{p.frame_ids}\t{p.frame_pixels}\t{p.gt_areas}\n' for p in pairs)
    return {
        'common pairs SHA-256': scored_pairs_sha256(pairs),
        'frames and annotation SHA-256': hashlib.sha256(truth.encode()).hexdigest(),
    }
