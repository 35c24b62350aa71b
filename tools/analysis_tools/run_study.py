"""Train and test all methods of a study and write the results in a table.

``python tools/analysis_tools/run_study.py configs/studies/refshapes/study.py --work-dir W`` trains
every config of the study file with every seed through ``tools/dist_train.sh``, tests each through
``tools/dist_test.sh``, and writes ``W/study.json``, ``W/study.md`` and ``W/study.png``. Started
again, it skips finished runs and resumes unfinished ones. A run that fails is reported with the end
of its log and does not stop the others, but the exit status is 1. See ``docs/studies/README.md``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import math
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r2vos_mm.utils.cli import UsageError, cfg_options, check_outputs, parser_of, short_errors
from r2vos_mm.utils.files import atomic_path, read_json, write_atomically, write_json
from r2vos_mm.utils.processes import die_with_parent
from r2vos_mm.utils.settings import changed_settings

TOOLS = Path(__file__).resolve().parents[1]
_ENTRIES = {'title', 'tables', 'seeds', 'processes', 'seed_keys'}
_PACKAGES = ('torch', 'mmengine', 'mmdet', 'transformers', 'numpy')
_START = '==== start: '  # marks the command of each start in a log
_COLOURS = {'off': 'C0', 'on': 'C1'}  # of the gate
_EXPLANATION = (
    'Percent, AUROC from 0 to 1; mean ± sample standard deviation (divisor n - 1) over `n` seeds. '
    'J and F are those of positive pairs; gate off: masks before the verdict empties them, as in '
    'Table C of the paper. –: the model gives no verdict, or no run is finished.'
)


@dataclass(frozen=True)
class Run:
    """One training run and its test.

    Attributes:
        config: file of the config.
        seed: random seed.
        processes: processes of training and test.
        folder: folder for all files of the run.
        options: ``key=value`` for the tools.
        settings: what the results depend on: resolved config, seed, processes, hash of the pairs.
    """

    config: Path
    seed: int
    processes: int
    folder: Path
    options: Sequence[str]
    settings: dict[str, Any]

    @property
    def title(self) -> str:
        """Name of the run in messages."""
        return f'{self.config.stem}, seed {self.seed}'

    @property
    def sha256(self) -> str:
        """Hash of :attr:`settings`."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()

    @property
    def result(self) -> dict[str, Any] | None:
        """Record of the finished run, None before."""
        found = self.read('metrics.json')
        return found if found.get('config_sha256') == self.sha256 else None

    def read(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the run; empty if it does not exist."""
        path = self.folder / name
        return read_json(path, allow_nan=True) if path.is_file() else {}


# Plan


def read_study(path: Path) -> dict[str, Any]:
    """Read a study file; its configs, relative to it, become paths.

    Raises:
        UsageError: The file is missing or lacks an entry, or two configs have the same name.
    """
    from r2vos_mm.engine import read_config

    study = read_config(path).to_dict()
    if not study.keys() >= _ENTRIES:
        raise UsageError(f'Study {path} lacks the entries {sorted(_ENTRIES - study.keys())}')
    study['rows'] = [row for table in study['tables'] for row in table['rows']]
    for row in study['rows']:
        row['config'] = path.parent / row['config']
    study['configs'] = list(dict.fromkeys(row['config'] for row in study['rows']))
    if len({config.stem for config in study['configs']}) < len(study['configs']):
        raise UsageError(f'Study {path}: two configs have the same file name')
    return study


def chosen_names(study: Mapping[str, Any], labels: Sequence[str] | None) -> set[str]:
    """Return the names of the selected configs.

    Args:
        study: what :func:`read_study` returns.
        labels: labels, names of configs or names of their files; None selects all.

    Raises:
        UsageError: A label is in no table.
    """
    names = {row['label']: row['config'].stem for row in study['rows']}
    names |= {name: name for name in names.values()}
    files = {f'{name}.py': name for name in names.values()}
    unknown = sorted(set(labels or ()) - names.keys() - files.keys())
    if unknown:
        raise UsageError(f'the study has no rows {unknown}; it has {", ".join(names)}')
    return {(names | files)[label] for label in (names if labels is None else labels)}


def plan_run(study: Mapping[str, Any], path: Path, seed: int, args: argparse.Namespace) -> Run:
    """Plan the run of one config with one seed.

    Raises:
        UsageError: A file is missing, or the folder contains a run with other settings.
    """
    from r2vos_mm.engine import read_config

    options = [*(f'{key}={seed}' for key in study['seed_keys']), *args.cfg_options]
    config = read_config(path, {**cfg_options(options), 'randomness.seed': seed})
    processes = args.processes or study['processes']
    settings = dict(config=config.to_dict(), seed=seed, processes=processes)
    settings['test_pairs_sha256'] = hash_of_pairs(config.test_dataloader.dataset, args.data_root)
    settings = json.loads(json.dumps(settings, default=str))
    if args.data_root is not None:
        splits = ('train', 'val', 'test')
        options += [f'{split}_dataloader.dataset.data_root={args.data_root}' for split in splits]
    folder = args.work_dir / 'runs' / path.stem / f'seed{seed}'
    run = Run(path, seed, processes, folder, options, settings)
    changes = changed_settings(run.read('run.json').get('settings', settings), settings)
    if changes:
        names = ', '.join(change.name for change in changes[:6])
        raise UsageError(
            f'{folder} contains a run with other values of {names}; restore them, '
            'remove the folder to repeat the run, or choose another --work-dir'
        )
    return run


def hash_of_pairs(dataset: Mapping[str, Any], data_root: str | None) -> str | None:
    """Return the SHA-256 of the file of tested pairs, None if the data set has none."""
    if dataset.get('pairs_file') is None:
        return None
    path = Path(data_root or dataset['data_root'], dataset['pairs_file'])
    if not path.is_file():
        raise UsageError(
            f'{path} does not exist: create the data set (docs/studies/README.md) or set its '
            'folder with --data-root'
        )
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Training and testing


def execute(run: Run) -> str | None:
    """Train and test a run, or the rest of it; return the failure, if there is one."""
    train, test = run.folder / 'train', run.folder / 'test'
    seconds, start = run.read('run.json').get('train_seconds', 0.0), time.monotonic()
    write_json(run.folder / 'run.json', dict(settings=run.settings, train_seconds=seconds))
    options = ['--cfg-options', *run.options] if run.options else []
    command = ['dist_train.sh', run.config, run.processes, '--work-dir', train, '--seed', run.seed]
    try:
        failure = call(run, 'train', [*command, '--resume', *options])
    finally:
        seconds += time.monotonic() - start
        write_json(run.folder / 'run.json', dict(settings=run.settings, train_seconds=seconds))
    if failure is None:
        checkpoint = train / Path((train / 'last_checkpoint').read_text()).name
        command = ['dist_test.sh', run.config, checkpoint, run.processes, '--work-dir', test]
        failure = call(run, 'test', [*command, '--out', test / 'metrics.json', *options])
    if failure is None:
        write_json(run.folder / 'metrics.json', record_of(run, seconds / 60))
    return failure


def call(run: Run, stage: str, words: Sequence[object]) -> str | None:
    """Run a tool with its output in the log; return the end of the log if it fails."""
    log = run.folder / f'{stage}.log'
    print(f'{run.title}: {stage}, log {log}', flush=True)
    command = ['bash', *(str(word) for word in (TOOLS / words[0], *words[1:]))]
    environment = {**os.environ, 'PYTHON': os.environ.get('PYTHON', sys.executable)}
    with log.open('a') as file:
        print(_START + shlex.join(command), file=file, flush=True)
        streams = dict(stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        # Kept when dist_train.sh and torchrun replace the process by exec; ranks set it, too.
        streams |= dict(preexec_fn=die_with_parent)
        with subprocess.Popen(command, env=environment, **streams) as process:
            try:
                status = process.wait()
            except BaseException:
                process.terminate()
                raise
    if status == 0:
        return None
    output = log.read_text(errors='replace').rpartition(_START)[2]
    output = output.partition('] failed (exitcode: ')[0]  # torchrun adds its own traceback
    end = '\n'.join(output.splitlines()[1:][-15:])
    return f'{run.title}: {stage} ended with status {status}, {log} ends\n{end}'


def record_of(run: Run, train_minutes: float) -> dict[str, Any]:
    """Return the metrics of a finished run and the settings that they depend on."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    describe = ['git', 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*']
    commit = subprocess.run(describe, cwd=TOOLS, capture_output=True, text=True).stdout.strip()
    config, metrics = run.settings['config'], run.read('test/metrics.json')
    return dict(
        name=run.config.stem,
        seed=run.seed,
        processes=run.processes,
        config_sha256=run.sha256,
        commit=commit or None,
        versions={**versions, 'device': gpu or f'{os.cpu_count()} CPU cores'},
        train_minutes=train_minutes,
        max_iters=config['train_cfg'].get('max_iters'),
        clips_per_iter=config['train_dataloader']['batch_size'] * run.processes,
        metrics={key: x if math.isfinite(x) else None for key, x in metrics.items()},
    )


# Tables


def value_of(metrics: Mapping[str, float | None], column: str, gate: str) -> float | None:
    """Return one metric of a test; None if the model has none, or no verdict for gate ``on``."""
    if gate == 'on':
        return metrics.get(column) if metrics.get('AUROC') is not None else None
    return metrics.get(f'ungated/{column}', metrics.get(column))


def cell_of(records: Sequence[Mapping], column: str, gate: str) -> dict[str, Any] | None:
    """Return mean, sample standard deviation, n and values by seed; None if a seed lacks one."""
    values = {record['seed']: value_of(record['metrics'], column, gate) for record in records}
    if not values or None in values.values():
        return None
    std = statistics.stdev(values.values()) if len(values) > 1 else None
    return dict(mean=statistics.fmean(values.values()), std=std, n=len(values), values=values)


def lines_of(table: Mapping[str, Any], records: Sequence[Mapping]) -> list[dict[str, Any]]:
    """Return the lines of a table, gates within rows."""
    lines = []
    for row in table['rows']:
        own = [record for record in records if record['name'] == row['config'].stem]
        for gate in table['gates']:
            line = dict(label=row['label'], config=row['config'].name, gate=gate)
            cells = {column: cell_of(own, column, gate) for column in table['columns']}
            lines.append({**line, 'seeds': sorted(run['seed'] for run in own), 'cells': cells})
    return lines


def format_cell(column: str, cell: Mapping[str, Any] | None) -> str:
    """Return mean ± spread, with one decimal in percent and three for columns in [0, 1]."""
    if cell is None:
        return '–'
    digits = 3 if column.startswith(('AUROC', 'AP', 'FPR', 'gate_')) else 1
    spread = '' if cell['std'] is None else f' ± {cell["std"]:.{digits}f}'
    return f'{cell["mean"]:.{digits}f}{spread}'


def markdown_table(rows: Sequence[Sequence[str]], *, left: int) -> str:
    """Return rows as a Markdown table: first the header, ``left`` columns left-aligned."""
    rule = ['---'] * left + ['---:'] * (len(rows[0]) - left)
    return '\n'.join(f'| {" | ".join(row)} |' for row in (rows[0], rule, *rows[1:]))


def as_markdown(study: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """Return the report: tables, settings of the runs, and the command to reproduce them."""
    parts = [f'# {study["title"]}', *summary(record)]
    for table, content in zip(study['tables'], record['tables']):
        rows = [['', 'gate', *table['columns'], 'n']]
        for line in content['lines']:
            cells = [format_cell(column, cell) for column, cell in line['cells'].items()]
            rows.append([line['label'], line['gate'], *cells, str(len(line['seeds']))])
        parts += [f'## {table["title"]}', markdown_table(rows, left=2)]
    rows = [['config', 'seed', 'config hash', 'commit', 'training']]
    for run in record['runs']:
        digits, changed, _ = (run['commit'] or 'unknown').partition('-dirty')
        commit = digits[:12] + (' with changes' if changed else '')
        minutes = f'{run["train_minutes"]:.1f} min'
        rows.append([run['name'], str(run['seed']), run['config_sha256'][:12], commit, minutes])
    parts += [_EXPLANATION, '## Runs', markdown_table(rows, left=1)]
    return '\n\n'.join([*parts, '## Reproduction', f'```bash\n{record["command"]}\n```']) + '\n'


def summary(record: Mapping[str, Any]) -> list[str]:
    """Return paragraphs on the runs, their budget and their machine."""
    budgets, machines = set(), set()
    for run in record['runs']:
        length = f'{run["max_iters"]} iterations' if run['max_iters'] else 'by epochs'
        count = run['processes']
        processes = '1 process' if count == 1 else f'{count} processes'
        budgets.add(f'{length} of {run["clips_per_iter"]} clips in {processes}')
        versions = [f'{name} {x}' for name, x in run['versions'].items() if name != 'device']
        machines.add(f'{run["versions"]["device"]} ({", ".join(versions)})')
    paragraphs = [
        f'{len(record["runs"])} runs, each {" or ".join(sorted(budgets))}, on '
        f'{" or ".join(sorted(machines))}. Every run was tested once, with its last checkpoint.'
    ]
    commits = {run['commit'] for run in record['runs']}
    if len(commits) > 1:
        paragraphs.append(f'The runs used {len(commits)} versions of the code (see Runs).')
    if record['missing']:
        paragraphs.append(f'**Not finished**: {", ".join(record["missing"])}.')
    return paragraphs if record['runs'] else ['No run is finished.', *paragraphs[1:]]


def draw(study: Mapping[str, Any], records: Sequence[Mapping], path: Path) -> None:
    """Draw J&F and R of every table: bars for means, points for seeds."""
    from matplotlib.figure import Figure

    tables = study['tables']
    widths = [max(4.0, 1.3 * len(table['rows'])) for table in tables]
    figure = Figure(figsize=(sum(widths) + 1, 7.8), dpi=110, layout='constrained')
    grid = figure.subplots(2, len(tables), squeeze=False, width_ratios=widths)
    for axes_row, column in zip(grid, ('J&F', 'R')):
        for axes, table in zip(axes_row, tables):
            for gate, side in (('off', -0.19), ('on', 0.19)):
                lines = lines_of({**table, 'columns': [column], 'gates': [gate]}, records)
                bars = [(x + side, line['cells'][column]) for x, line in enumerate(lines)]
                bars = [(x, list(cell['values'].values())) for x, cell in bars if cell]
                means = [statistics.fmean(values) for _, values in bars]
                colour, label = _COLOURS[gate], f'gate {gate}'
                axes.bar([x for x, _ in bars], means, 0.38, color=colour, alpha=0.5, label=label)
                for x, values in bars:
                    axes.plot([x] * len(values), values, '.', color='0.15', markersize=5)
            labels = [textwrap.fill(row['label'], 20) for row in table['rows']]
            axes.set_xticks(range(len(labels)), labels, fontsize=8)
            axes.set_title(table['title'], fontsize=10)
            axes.set_ylabel(f'{column} (percent)', fontsize=9)
            axes.grid(axis='y', alpha=0.3)
    grid[0][0].legend(fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary)


def write_report(study: Mapping[str, Any], runs: Sequence[Run], args: argparse.Namespace) -> None:
    """Write ``study.json``, ``study.md`` and, if a run is finished, ``study.png``."""
    words = ['python', 'tools/analysis_tools/run_study.py', args.study, '--work-dir', args.work_dir]
    for option in ('seeds', 'processes', 'data_root', 'cfg_options'):
        value = getattr(args, option)
        if value:
            words += [f'--{option.replace("_", "-")}', *(value if type(value) is list else [value])]
    results = {run.title: run.result for run in runs}
    records = [result for result in results.values() if result]
    record = dict(
        format='r2vos-study/1',
        title=study['title'],
        command=shlex.join(map(str, words)),
        missing=[title for title, result in results.items() if not result],
        tables=[
            dict(name=table['name'], title=table['title'], lines=lines_of(table, records))
            for table in study['tables']
        ],
        runs=records,
    )
    write_json(args.work_dir / 'study.json', record)
    write_atomically(as_markdown(study, record), args.work_dir / 'study.md')
    if records:
        draw(study, records, args.work_dir / 'study.png')


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('study', type=Path, help='study file')
    parser.add_argument('--work-dir', type=Path, required=True, help='folder of the study')
    parser.add_argument('--seeds', type=int, nargs='+', help='(default: those of the study file)')
    parser.add_argument(
        '--only',
        nargs='+',
        metavar='LABEL',
        help='train only these rows: labels, or names of configs with or without .py',
    )
    parser.add_argument('--processes', type=int, help='processes per run (default: study file)')
    parser.add_argument('--data-root', help='folder of the data set (default: as in the configs)')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='options for all configs'
    )
    parser.add_argument(
        '--table-only', action='store_true', help='only write the tables of finished runs'
    )
    parser.add_argument('--publish', type=Path, help='folder to copy the tables and figure to')
    return parser.parse_args(arguments)


def run_study(args: argparse.Namespace) -> list[str]:
    """Run the study of ``args``; return the failures."""
    study = read_study(args.study)
    seeds, configs = args.seeds or study['seeds'], study['configs']
    runs = [plan_run(study, config, seed, args) for seed in seeds for config in configs]
    names, failures = chosen_names(study, args.only), []
    chosen = [run for run in runs if run.config.stem in names]
    left = [run for run in chosen if run.result is None]
    print(f'{len(chosen) - len(left)} of {len(chosen)} runs are already finished')
    for run in left if not args.table_only else ():
        failure = execute(run)
        if failure is not None:
            print(f'error: {failure}', file=sys.stderr, flush=True)
            failures.append(failure)
        write_report(study, runs, args)
    write_report(study, runs, args)
    print((args.work_dir / 'study.md').read_text())
    if args.publish is not None:
        args.publish.mkdir(parents=True, exist_ok=True)
        for path in sorted(args.work_dir.glob('study.*')):
            print(shutil.copy2(path, args.publish))
    return failures


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(arguments)
    with short_errors(args.debug):
        check_outputs(args, folders=['work_dir', 'publish'])
        sys.exit(1 if run_study(args) else 0)


if __name__ == '__main__':
    main()
