"""Training and testing the runs of a study with the public tools, one after another."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from r2vos_mm.utils.cli import UsageError

from .plan import Run
from .run_folder import START_OF_LOG, RunFolder

_TRAIN_PART = 0.9  # of the time of a run, for the progress bar; the rest is its test
_POLL_SECONDS = 0.5
_NOTE_SECONDS = 30
_LOCK_SECONDS = 30
_END_SECONDS = 60  # torchrun gives its workers 30
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Failure:
    """A run that did not come to its end.

    Attributes:
        title: which run.
        stage: ``train`` or ``test``.
        returncode: exit status of the tool.
        log: file with all it said.
        tail: the last lines of it.
    """

    title: str
    stage: str
    returncode: int
    log: Path
    tail: str

    def __str__(self) -> str:
        return (
            f'{self.title}: {self.stage} ended with status {self.returncode}, {self.log} ends\n'
            f'{self.tail}'
        )


class StudyRunner:
    """Trains and tests what is not finished; a run that fails does not stop the others.

    Args:
        tools: folder of the public tools ``dist_train.sh`` and ``dist_test.sh``.
        work_dir: folder of the study.
        console: for messages and the progress bar.
    """

    def __init__(self, *, tools: Path, work_dir: Path, console: Console) -> None:
        self.tools = tools
        self.work_dir = work_dir
        self.console = console

    def execute(self, runs: Sequence[Run], after_each: Callable[[], None]) -> list[Failure]:
        """Bring all runs to their end.

        Args:
            runs: in the order to be done.
            after_each: called after each run that was finished.

        Returns:
            The failures.

        Raises:
            UsageError: another process works in the folder.
        """
        folders = [folder for folder in map(RunFolder, runs) if folder.result is None]
        done = len(runs) - len(folders)
        if done:
            self.console.print(f'{done} of {len(runs)} runs are finished already')
        failures = []
        with locked(self.work_dir) as lock, _progress(self.console) as progress:
            bar = _Bar(progress, folders)
            for number, folder in enumerate(folders, start=done + 1):
                head = f'[{number}/{len(runs)}] {folder.run.title}'
                failure = self._run(folder, lock, bar, head)
                if failure is None:
                    after_each()
                else:
                    self.console.print(f'error: {failure}', markup=False, highlight=False)
                    failures.append(failure)
        return failures

    def _run(self, folder: RunFolder, lock: IO, bar: _Bar, head: str) -> Failure | None:
        """Train and test one run, or what of it is left."""
        for stage, command in (('train', self._train_command), ('test', self._test_command)):
            if stage == 'train' and folder.is_trained:
                continue
            log = folder.log(stage)
            self.console.print(f'{head}: {stage}, log {log}', markup=False, highlight=False)
            returncode = self._call(folder, stage, command(folder), lock, bar)
            if returncode != 0:
                return Failure(folder.run.title, stage, returncode, log, folder.tail(stage))
        folder.finish()
        bar.finish(folder)
        return None

    def _train_command(self, folder: RunFolder) -> list[str]:
        """Training, from the last checkpoint if there is one."""
        run = folder.run
        command = ['dist_train.sh', str(run.config), str(run.processes)]
        command += ['--work-dir', str(folder.train_dir), '--seed', str(run.seed)]
        if folder.checkpoint is not None:
            command += ['--resume', str(folder.checkpoint)]
        return self._with_options(command, run)

    def _test_command(self, folder: RunFolder) -> list[str]:
        """Test of the last checkpoint."""
        run = folder.run
        command = ['dist_test.sh', str(run.config), str(folder.checkpoint), str(run.processes)]
        command += ['--work-dir', str(folder.test_dir), '--out', str(folder.raw_metrics)]
        return self._with_options(command, run)

    def _with_options(self, command: Sequence[str], run: Run) -> list[str]:
        options = ['--cfg-options', *run.options] if run.options else []
        return ['bash', str(self.tools / command[0]), *command[1:], *options]

    def _call(
        self, folder: RunFolder, stage: str, command: Sequence[str], lock: IO, bar: _Bar
    ) -> int:
        """Run a tool to its end, its output to the log; it ends when this process does."""
        trains = stage == 'train'
        before, start = folder.train_seconds, time.monotonic()
        folder.note(train_seconds=before, trained=not trains)
        noted = start
        with folder.log(stage).open('a') as file:
            print(START_OF_LOG + shlex.join(command), file=file, flush=True)
            process = subprocess.Popen(
                command,
                env={**os.environ, 'PYTHON': os.environ.get('PYTHON', sys.executable)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                pass_fds=[lock.fileno()],
                preexec_fn=_die_with_parent,
            )
            with _ended(process):
                while process.poll() is None:
                    time.sleep(_POLL_SECONDS)
                    bar.update(folder)
                    if trains and time.monotonic() - noted > _NOTE_SECONDS:
                        noted = time.monotonic()
                        folder.note(train_seconds=before + noted - start)
        if trains:
            spent = before + time.monotonic() - start
            folder.note(train_seconds=spent, trained=process.returncode == 0)
        return process.returncode


class _Bar:
    """Progress over the runs that were not finished at the start, in runs.

    Args:
        progress: where to draw.
        folders: these runs.
    """

    def __init__(self, progress: Progress, folders: Sequence[RunFolder]) -> None:
        self._progress = progress
        self._parts = {folder.run.folder: _TRAIN_PART * folder.train_share for folder in folders}
        self._before = sum(self._parts.values())
        self._task = progress.add_task('study', total=len(folders) - self._before)

    def update(self, folder: RunFolder) -> None:
        """Look how far the training of a run is."""
        self._set(folder, _TRAIN_PART * folder.train_share)

    def finish(self, folder: RunFolder) -> None:
        """A run is finished."""
        self._set(folder, 1.0)

    def _set(self, folder: RunFolder, part: float) -> None:
        # a log that is being written may be unreadable for a moment
        self._parts[folder.run.folder] = max(part, self._parts[folder.run.folder])
        done = sum(self._parts.values()) - self._before
        self._progress.update(self._task, completed=done)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn('{task.completed:.1f} of {task.total:.1f} runs'),
        BarColumn(bar_width=None),
        TimeElapsedColumn(),
        TextColumn('left'),
        TimeRemainingColumn(),
        console=console,
        speed_estimate_period=3600,
    )


@contextmanager
def locked(folder: Path) -> Iterator[IO]:
    """Keep other processes out of a study's folder.

    Tools inherit the lock: while one that outlived its study still writes, nobody else does.

    Raises:
        UsageError: the folder is in use for longer than a tool takes to end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / '.lock').open('w') as file:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise UsageError(
                        f'{folder} is in use by another run_study.py or by a training that one '
                        f'left behind; end it, or choose another --work-dir '
                        f'(who: fuser {folder / ".lock"})'
                    ) from None
                time.sleep(_POLL_SECONDS)
        yield file


@contextmanager
def _ended(process: subprocess.Popen) -> Iterator[None]:
    """End a tool and its workers if the block is left before it has ended."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _die_with_parent() -> None:
    """Let the kernel end this process when its parent is killed, where it can."""
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
