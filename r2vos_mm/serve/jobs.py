"""Run requests one after another in one thread, with their progress, and cancel them."""

from __future__ import annotations

import secrets
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

from r2vos_mm.apis import VideoSegmentation
from r2vos_mm.utils.cli import one_line, user_message
from r2vos_mm.utils.logging import log

from .clips import RefusedError, StoredClip

QUEUED, RUNNING, DONE, FAILED, CANCELLED = 'queued', 'running', 'done', 'failed', 'cancelled'
FINAL = (DONE, FAILED, CANCELLED)

OnProgress = Callable[[int, int], None]
Segment = Callable[[StoredClip, Sequence[str], OnProgress], VideoSegmentation]


class CancelledError(Exception):
    """A request was cancelled while it ran."""


@dataclass(eq=False)
class QueuedJob:
    """Expressions to find in a clip.

    Attributes:
        key: its name in addresses.
        clip, texts: what to segment.
        state: queued, running, done, failed or cancelled.
        done, total: frames that passed through the model, and all of them.
        error: one line if it failed.
        result: what was found, once done.
        seconds: time that it took, without waiting.
    """

    clip: StoredClip
    texts: Sequence[str]
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    state: str = QUEUED
    done: int = 0
    total: int = 0
    error: str | None = None
    result: VideoSegmentation | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.total = len(self.clip)


class JobQueue:
    """One thread that runs jobs in the order in which they came.

    Args:
        segment: called with clip, expressions and a function for the progress; returns the result.
        max_jobs: jobs that wait or run at the same time.
        max_results: finished jobs that are kept.
    """

    def __init__(self, segment: Segment, *, max_jobs: int = 8, max_results: int = 20) -> None:
        self._segment, self._max_jobs, self._max_results = segment, max_jobs, max_results
        self._jobs: dict[str, QueuedJob] = {}
        self._waiting: SimpleQueue[QueuedJob | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name='segment', daemon=True)
        self._thread.start()

    def submit(self, clip: StoredClip, texts: Sequence[str]) -> QueuedJob:
        """Add a job.

        Raises:
            RefusedError: too many are waiting.
        """
        with self._lock:
            if len(self.unfinished()) >= self._max_jobs:
                raise RefusedError(
                    f'{self._max_jobs} requests are waiting already: try again in a moment', 503
                )
            job = QueuedJob(clip, list(texts))
            self._jobs[job.key] = job
        self._waiting.put(job)
        return job

    def __getitem__(self, key: str) -> QueuedJob:
        """Return a job.

        Raises:
            RefusedError: there is none, or its result is no longer kept.
        """
        job = self._jobs.get(key)
        if job is None:
            raise RefusedError('this result has been removed: run it again', 404)
        return job

    def unfinished(self) -> list[QueuedJob]:
        """Return the jobs that wait or run, the oldest first."""
        return [job for job in list(self._jobs.values()) if job.state not in FINAL]

    def position(self, job: QueuedJob) -> int:
        """Return how many jobs are run before this one."""
        unfinished = self.unfinished()
        return unfinished.index(job) if job in unfinished else 0

    def cancel(self, job: QueuedJob) -> None:
        """End a job. One that runs stops after the current window of frames."""
        with self._lock:
            if job.state not in FINAL:
                job.state = CANCELLED

    def close(self, timeout: float = 10.0) -> None:
        """Cancel all jobs and wait for the thread to end."""
        for job in self.unfinished():
            self.cancel(job)
        self._waiting.put(None)
        self._thread.join(timeout)

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            with self._lock:
                if job.state == CANCELLED:
                    continue
                job.state = RUNNING
            self._run(job)
            self._forget_old()

    def _run(self, job: QueuedJob) -> None:
        def on_progress(done: int, total: int) -> None:
            job.done, job.total = done, total
            if job.state == CANCELLED:
                raise CancelledError

        start = time.monotonic()
        try:
            result = self._segment(job.clip, job.texts, on_progress)
        except CancelledError:
            return
        except Exception as error:
            self._fail(job, error)
            return
        with self._lock:
            if job.state == RUNNING:
                job.result, job.seconds = result, time.monotonic() - start
                job.state = DONE

    def _fail(self, job: QueuedJob, error: Exception) -> None:
        message = user_message(error)
        if message is None:
            log(''.join(traceback.format_exception(error)))
            message = f'internal error: {one_line(error)}; the terminal shows the traceback'
        with self._lock:
            job.error = message.replace(str(job.clip.path), job.clip.title)
            job.state = FAILED

    def _forget_old(self) -> None:
        with self._lock:
            finished = [key for key, job in self._jobs.items() if job.state in FINAL]
            for key in finished[: -self._max_results]:
                del self._jobs[key]
