"""Label a collection of videos: in this process, in several, or in those of a launcher."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from r2vos_mm.engine.model_index import DEFAULT_MODEL
from r2vos_mm.utils.cli import Progress, UsageError, UserError, check_writable, user_message
from r2vos_mm.utils.files import PathLike
from r2vos_mm.utils.processes import start_worker
from r2vos_mm.utils.signals import left_at_sigterm
from r2vos_mm.utils.storage.faults import without_secrets

from .folder import CollectionFolder, Throttle
from .plan import MAX_FRAMES, SHARD_FRAMES, Unit
from .work import CollectionRun, Labeller, TooManyFailuresError

ENGINES = ('local', 'torchrun', 'slurm', 'ray')

_RANKS = {'torchrun': ('RANK', 'torchrun'), 'slurm': ('SLURM_PROCID', 'srun')}
_LOOK_SECONDS = 0.5
_MAX_DEATHS = 12  # of processes, while no unit is finished


def label_collection(
    manifest: PathLike,
    out_dir: PathLike,
    model: Any = None,
    weights: PathLike | None = None,
    *,
    texts: str | Sequence[str] = (),
    engine: str = 'local',
    processes: int = 1,
    max_frames: int = MAX_FRAMES,
    shard_frames: int = SHARD_FRAMES,
    max_failures: int | None = None,
    show_progress: bool = True,
    build: Callable[[], Labeller] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Segment the objects of expressions in many videos; continue where an earlier run stopped.

    Rows are written to ``out_dir/shards/*.jsonl``, one per video and expression, with run-length
    codes, consensus and verdict (docs/collections.md). Videos that cannot be read are rows of
    ``failures.jsonl``. However a run ends, the next one with the same arguments continues it:
    finished shards stay, and nothing is written twice.

    Args:
        manifest: see :func:`.manifest.read_manifest`.
        out_dir: folder of the results; processes of several machines share it.
        model, weights: see :class:`R2VOSInferencer`; None takes a small model for real video.
        texts: expressions for a folder, and for rows of the manifest without any.
        engine: ``local`` (this process, or ``processes`` of this machine); ``torchrun`` or
            ``slurm`` if these started this process as one of several; ``ray``.
        processes: number of processes of ``local``, or of actors of ``ray``.
        max_frames: frames above which a video is split, so that processes share it.
        shard_frames: frames of a shard.
        max_failures: number of failed videos above which the run ends; None allows any number.
        show_progress: whether to show progress of all processes on stderr.
        build: builds another model than :class:`.VideoLabeller`; picklable.
        **options: other arguments of :class:`.VideoLabeller`, such as ``threshold`` or ``device``.

    Returns:
        The content of ``summary.json``.

    Raises:
        UsageError: the manifest has a mistake, the folder was begun with another manifest,
            checkpoint, config or threshold, or an argument cannot be used.
        TooManyFailuresError: more than ``max_failures`` videos failed.

    Examples:
        >>> label_collection('jobs.jsonl', 'labels', 'r2vos_tiny', processes=2)  # doctest: +SKIP
    """
    if engine not in ENGINES:
        raise UsageError(f'engine {engine!r} is unknown; there are {", ".join(ENGINES)}')
    if min(processes, max_frames, shard_frames) < 1:
        raise UsageError('processes, max_frames and shard_frames are at least 1')
    if build is None:
        from .labeller import VideoLabeller

        build = partial(VideoLabeller, model or DEFAULT_MODEL.name, weights, **options)
    texts = (texts,) if isinstance(texts, str) else tuple(texts)
    limits = dict(max_frames=max_frames, shard_frames=shard_frames, max_failures=max_failures)
    run = CollectionRun(Path(manifest), Path(out_dir), build, texts, **limits)
    check_writable(out_dir, what='out_dir', is_folder=True)
    with left_at_sigterm():
        return _run(run, engine, processes, show_progress=show_progress)


class CollectionProgress(Progress):
    """Progress of all processes that work on a collection, with failures, rate and time left.

    Args:
        folder: folder whose tasks are read.
        is_new: whether nothing was done before this run.
    """

    def __init__(self, folder: CollectionFolder, *, is_new: bool = False) -> None:
        self.folder = folder
        self._videos, self._frames = self._before = (0, 0) if is_new else self._count()
        self._all_frames = sum(task.frames for task in folder.tasks)
        super().__init__(len(folder.jobs), 'videos')
        self._last = -1

    def look(self) -> None:
        """Show what has changed."""
        self._videos, self._frames = self._count()
        is_new, self._last = self._videos != self._last, self._videos
        if is_new or self._videos not in (1, self.total):
            self.update(self._videos)

    def _count(self) -> tuple[int, int]:
        done, videos, frames = self.folder.done(), 0, 0
        for task in self.folder.tasks:
            if Unit(task).name in done:
                videos, frames = videos + len(task.jobs), frames + task.frames
            elif task.spans:
                spans = sum(name in done for name in Unit(task).needs())
                frames += task.frames * spans // len(task.spans)
        return videos, frames

    def _write(self, done: int) -> None:
        spent = time.monotonic() - self._start
        videos, frames = self._videos - self._before[0], self._frames - self._before[1]
        failed = self.folder.num_failed()
        left = 'starting'
        if frames and spent:
            seconds = (self._all_frames - self._frames) * spent / frames
            left = f'{videos / spent:.2f} videos/s, {seconds:.0f} s left'
        self.show_line(
            f'{self._videos}/{self.total} videos, {failed} failed, {spent:.0f} s, {left}',
            is_last=self._videos >= self.total,
        )


def _run(run: CollectionRun, engine: str, processes: int, *, show_progress: bool) -> dict[str, Any]:
    folder, is_first = run.folder(), _rank(engine) == 0
    try:
        with _shown(folder, show_progress and is_first and engine != 'ray'):
            if engine == 'ray':
                from .ray_data import run_on_ray

                run_on_ray(run, folder, actors=processes, show_progress=show_progress)
            elif engine == 'local' and processes > 1:
                _Processes(run, folder, processes).work()
            else:
                run.worker().run()
    except TooManyFailuresError:
        folder.finish()
        raise
    return folder.finish()


def _rank(engine: str) -> int:
    """Return the number of this process among those of the launcher."""
    if engine not in _RANKS:
        return 0
    name, launcher = _RANKS[engine]
    if name not in os.environ:
        raise UsageError(f'engine {engine} needs {name} in the environment: start it by {launcher}')
    return int(os.environ[name])


@contextmanager
def _shown(folder: CollectionFolder, active: bool) -> Iterator[None]:
    """Show progress from a thread while the block runs."""
    if not active:
        yield
        return
    is_new, stop = not folder.is_begun(), threading.Event()
    if not is_new:
        folder.load()  # raise errors now, not in the thread

    def watch() -> None:
        progress, throttle, is_last = None, Throttle(), False
        while not is_last:
            is_last = stop.wait(_LOOK_SECONDS)
            if folder.is_begun() and (is_last or throttle.is_due()):
                with throttle.measured():
                    if progress is None:
                        folder.load()
                        progress = CollectionProgress(folder, is_new=is_new)
                    progress.look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class _Processes:
    """Workers in processes of this machine; one that dies is started again.

    Args:
        run: what each of them is given.
        folder: its folder.
        count: number of processes.
    """

    def __init__(self, run: CollectionRun, folder: CollectionFolder, count: int) -> None:
        self.run, self.folder, self.count = run, folder, count
        self._context = multiprocessing.get_context('spawn')
        self._errors = self._context.SimpleQueue()
        self._num_done = self._deaths = 0
        self._throttle = Throttle()

    def work(self) -> None:
        """Run until all is done.

        Raises:
            UserError: what a worker raised, or workers die without finishing anything.
        """
        workers = [self._start(number) for number in range(self.count)]
        is_done = False
        try:
            while any(worker.is_alive() for worker in workers) or not is_done:
                time.sleep(_LOOK_SECONDS)
                if self._throttle.is_due() or self._deaths > _MAX_DEATHS:
                    self._reset_deaths()
                self._raise_errors()
                is_done |= any(worker.exitcode == 0 for worker in workers)
                for number, worker in enumerate(workers):
                    if worker.exitcode and not is_done:
                        self._deaths, workers[number] = self._deaths + 1, self._start(number)
        finally:
            self._stop(workers)

    def _start(self, number: int) -> Any:
        arguments = (self.run, number, self.count, self._errors, os.getpid())
        process = self._context.Process(target=_work, args=arguments)
        process.start()
        return process

    def _reset_deaths(self) -> None:
        """Restart the count of deaths if more is done than at the last look."""
        with self._throttle.measured():
            if (now := len(self.folder.done())) > self._num_done:
                self._num_done, self._deaths = now, 0

    def _raise_errors(self) -> None:
        if not self._errors.empty():
            raise self._errors.get()
        if self._deaths > _MAX_DEATHS:
            raise UserError(
                f'{self._deaths} processes died one after the other. The system may have run out '
                'of memory: try fewer processes, and see the kernel log (dmesg)'
            )

    def _stop(self, workers: Sequence[Any]) -> None:
        stopped = [worker.pid for worker in workers if worker.is_alive()]
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.join()
        # Not the fault of their videos: the next run must not count them as deaths at these.
        self.folder.claims.remove_of(stopped)


def _work(run: CollectionRun, number: int, count: int, errors: Any, parent: int) -> None:
    """Work in a process of :class:`_Processes`."""
    start_worker(parent, ignores_sigterm=True)
    os.environ['LOCAL_RANK'] = str(number)
    if 'torch' in sys.modules and 'OMP_NUM_THREADS' not in os.environ:
        sys.modules['torch'].set_num_threads(max(1, (os.cpu_count() or 1) // count))
    try:
        run.worker().run()
    except TooManyFailuresError as error:
        errors.put(error)
    except Exception as error:
        if (message := user_message(error)) is not None:
            errors.put(UserError(without_secrets(message)))
        else:
            errors.put(RuntimeError(without_secrets(traceback.format_exc())))
    else:
        return
    sys.exit(2)
