"""What a study file says: methods in tables, seeds, and the runs that follow from them."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction

from r2vos_mm.utils.cli import UsageError, existing_file

GATES = ('off', 'on')
_SPLITS = ('train', 'val', 'test')


@dataclass(frozen=True)
class Row:
    """A method in a table.

    Attributes:
        label: its name in the table.
        config: file of its config.
    """

    label: str
    config: Path

    @property
    def name(self) -> str:
        """Name of the config, which is that of the folder of its runs."""
        return self.config.stem


@dataclass(frozen=True)
class Table:
    """One table of a study.

    Attributes:
        name: short name, unique in the study.
        title: heading.
        columns: keys of the metrics of a test without the prefix ``ungated/``.
        gates: ``'off'`` and ``'on'``, one or both: a line per method and gate.
        rows: the methods.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    gates: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Study:
    """A comparison of methods under one budget.

    Attributes:
        path: the study file.
        title: heading of the report.
        tables: at least one.
        seeds: default seeds.
        processes: default number of processes of a training.
        seed_keys: settings of the configs that take the seed, beside ``randomness.seed``.
    """

    path: Path
    title: str
    tables: tuple[Table, ...]
    seeds: tuple[int, ...]
    processes: int
    seed_keys: tuple[str, ...]

    @property
    def rows(self) -> list[Row]:
        """The first row of each config: a config of several tables is trained once."""
        first: dict[str, Row] = {}
        for row in (row for table in self.tables for row in table.rows):
            first.setdefault(row.name, row)
        return list(first.values())

    def names(self, labels: Sequence[str] | None) -> set[str]:
        """Names of the configs that labels of rows or names of configs choose; None chooses all.

        Raises:
            UsageError: a label is in no table.
        """
        if labels is None:
            return {row.name for row in self.rows}
        by_label = {row.label: row.name for table in self.tables for row in table.rows}
        by_label.update({row.name: row.name for row in self.rows})
        unknown = sorted(set(labels) - by_label.keys())
        if unknown:
            raise UsageError(f'{self.path} has no rows {unknown}; it has {", ".join(by_label)}')
        return {by_label[label] for label in labels}


@dataclass(frozen=True)
class Setup:
    """What all runs of a study share beyond the study file.

    Attributes:
        work_dir: folder of the study.
        processes: processes of a training and of a test.
        cfg_options: ``key=value`` for every config, as for the training tool.
        data_root: data set in place of that of the configs. Not a part of what identifies a run:
            a data set may move; the pairs it is tested on may not change.
    """

    work_dir: Path
    processes: int
    cfg_options: tuple[str, ...] = ()
    data_root: str | None = None


@dataclass(frozen=True)
class Run:
    """One training and its test.

    Attributes:
        name: name of the config.
        config: its file.
        seed: of everything random.
        processes: of training and test.
        folder: for all its files.
        options: ``key=value`` for the tools.
        settings: what the results are a function of, in plain types: the resolved config, seed,
            processes, hash of the pairs that are tested.
    """

    name: str
    config: Path
    seed: int
    processes: int
    folder: Path
    options: tuple[str, ...]
    settings: dict[str, Any]

    @property
    def title(self) -> str:
        """How messages name it."""
        return f'{self.name}, seed {self.seed}'

    @property
    def config_sha256(self) -> str:
        """Hash of :attr:`settings`."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()


def read_study(path: Path) -> Study:
    """Read a study file; configs are relative to it.

    Raises:
        UsageError: it is missing, lacks an entry, or names two configs alike.
    """
    content = Config.fromfile(existing_file(str(path), what='Study')).to_dict()
    try:
        study = Study(
            path=path,
            title=content['title'],
            tables=tuple(_read_table(table, path) for table in content['tables']),
            seeds=tuple(content['seeds']),
            processes=content['processes'],
            seed_keys=tuple(content['seed_keys']),
        )
    except KeyError as error:
        raise UsageError(f'Study {path} lacks the entry {error}') from error
    configs = {row.config for table in study.tables for row in table.rows}
    if len(configs) != len(study.rows):
        raise UsageError(
            f'Study {path}: two configs have one name among '
            f'{sorted(config.as_posix() for config in configs)}; runs are kept by this name'
        )
    return study


def _read_table(table: Mapping[str, Any], path: Path) -> Table:
    """A table of a study file."""
    if not table['gates'] or not set(table['gates']) <= set(GATES):
        raise UsageError(f'Study {path}: gates of a table are {GATES}, got {table["gates"]}')
    return Table(
        name=table['name'],
        title=table['title'],
        columns=tuple(table['columns']),
        gates=tuple(table['gates']),
        rows=tuple(Row(row['label'], path.parent / row['config']) for row in table['rows']),
    )


def plan_runs(study: Study, seeds: Sequence[int], setup: Setup) -> list[Run]:
    """All runs, seed by seed: of a study that was stopped the first seeds are complete.

    Raises:
        UsageError: a config does not exist.
    """
    return [_plan_run(study, row, seed, setup) for seed in seeds for row in study.rows]


def _plan_run(study: Study, row: Row, seed: int, setup: Setup) -> Run:
    """The run of one config with one seed."""
    named = [*(f'{key}={seed}' for key in study.seed_keys), *setup.cfg_options]
    config = Config.fromfile(existing_file(str(row.config), what='Config'))
    config.merge_from_dict(parse_options(named))
    config.merge_from_dict({'randomness.seed': seed})
    moved = []
    if setup.data_root is not None:
        moved = [f'{split}_dataloader.dataset.data_root={setup.data_root}' for split in _SPLITS]
    settings = {
        'config': config.to_dict(),
        'seed': seed,
        'processes': setup.processes,
        'test_pairs_sha256': _hash_of_pairs(config, setup.data_root),
    }
    return Run(
        name=row.name,
        config=row.config,
        seed=seed,
        processes=setup.processes,
        folder=setup.work_dir / 'runs' / row.name / f'seed{seed}',
        options=(*named, *moved),
        settings=json.loads(json.dumps(settings, default=str)),
    )


def parse_options(options: Sequence[str]) -> dict[str, Any]:
    """``key=value`` strings as the tools' ``--cfg-options`` read them."""
    if not options:
        return {}
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_args(['--cfg-options', *options]).cfg_options


def _hash_of_pairs(config: Config, data_root: str | None) -> str | None:
    """SHA-256 of the file of the tested pairs, None if the data set has none.

    Raises:
        UsageError: it is not there.
    """
    dataset = config.test_dataloader.dataset
    if dataset.get('pairs_file') is None:
        return None
    path = Path(data_root or dataset.data_root, dataset.pairs_file)
    if not path.is_file():
        raise UsageError(
            f'there is no {path}: make the data set (docs/studies/README.md) or name its folder '
            'by --data-root'
        )
    return hashlib.sha256(path.read_bytes()).hexdigest()


def changed_keys(old: Any, new: Any, prefix: str = '') -> Iterator[str]:
    """Dotted names of the settings that differ between two resolved configs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            inner = f'{prefix}.{key}' if prefix else key
            if key not in old or key not in new:
                yield inner
            else:
                yield from changed_keys(old[key], new[key], inner)
    elif old != new:
        yield prefix
