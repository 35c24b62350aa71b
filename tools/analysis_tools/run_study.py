"""Train and test all methods of a study and write one table.

``python tools/analysis_tools/run_study.py configs/studies/refshapes/study.py --work-dir W`` trains
every config of the study file with every seed through ``tools/dist_train.sh``, tests each through
``tools/dist_test.sh``, and writes ``W/study.json``, ``W/study.md`` and ``W/study.png``. Started
again, it skips what is finished and goes on from the last checkpoint of what is not. A run that
fails is told with the end of its log and does not stop the others; the exit status is then 1.
``docs/studies/README.md`` says more.
"""

import argparse
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

from r2vos_mm.engine.study import (
    Failure,
    Report,
    Run,
    RunFolder,
    Setup,
    Study,
    StudyRunner,
    plan_runs,
    read_study,
)
from r2vos_mm.utils.cli import short_errors

TOOLS = Path(__file__).resolve().parents[1]


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('study', type=Path, help='study file')
    parser.add_argument('--work-dir', type=Path, required=True, help='folder of the study')
    parser.add_argument('--seeds', type=int, nargs='+', help='(default: those of the study file)')
    parser.add_argument(
        '--only', nargs='+', metavar='LABEL', help='train these rows only (labels or config names)'
    )
    parser.add_argument('--processes', type=int, help='of a training (default: the study file)')
    parser.add_argument('--data-root', help='data set in place of that of the configs')
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='settings of all configs'
    )
    parser.add_argument(
        '--table-only', action='store_true', help='write tables of what is finished, train nothing'
    )
    parser.add_argument('--publish', type=Path, help='folder to copy the tables and figure to')
    return parser.parse_args(arguments)


def plan(study: Study, args: argparse.Namespace) -> list[Run]:
    """All runs of the study.

    Raises:
        UsageError: a config is missing, or a folder holds a run of other settings.
    """
    setup = Setup(
        work_dir=args.work_dir,
        processes=args.processes or study.processes,
        cfg_options=tuple(args.cfg_options),
        data_root=args.data_root,
    )
    runs = plan_runs(study, args.seeds or study.seeds, setup)
    for run in runs:
        RunFolder(run).check()
    return runs


def command_of(args: argparse.Namespace) -> str:
    """The command line that makes the same numbers."""
    words = ['python', 'tools/analysis_tools/run_study.py', args.study, '--work-dir', args.work_dir]
    for option in ('seeds', 'processes', 'data_root', 'cfg_options'):
        value = getattr(args, option)
        if value:
            words += [f'--{option.replace("_", "-")}', *(value if type(value) is list else [value])]
    return shlex.join(map(str, words))


def publish(paths: Sequence[Path], folder: Path) -> None:
    """Copy the files of the report."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        print(shutil.copy2(path, folder))


def run_study(args: argparse.Namespace) -> list[Failure]:
    """Do what the command line says; returns the runs that failed."""
    study = read_study(args.study)
    runs = plan(study, args)
    names = study.names(args.only)

    def write_report() -> list[Path]:
        return Report.collect(study, runs, command_of(args)).write(args.work_dir)

    failures: list[Failure] = []
    if not args.table_only:
        runner = StudyRunner(tools=TOOLS, work_dir=args.work_dir, console=Console(soft_wrap=True))
        failures = runner.execute([run for run in runs if run.name in names], write_report)
    paths = write_report()
    print((args.work_dir / 'study.md').read_text())
    if args.publish is not None:
        publish(paths, args.publish)
    return failures


def stop(signum: int, frame: FrameType | None) -> None:
    """Leave as at Ctrl-C, which ends the tool that runs."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study of the command line."""
    signal.signal(signal.SIGTERM, stop)
    args = parse_args(arguments)
    with short_errors():
        try:
            failures = run_study(args)
        except KeyboardInterrupt:
            print('stopped; the same command goes on', file=sys.stderr)
            sys.exit(130)
        for failure in failures:
            print(f'error: {failure}', file=sys.stderr)
        sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
