"""Segment videos one after the other, and turn what cannot be segmented into rows of failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from r2vos_mm.utils.cli import UserError, one_line, user_message
from r2vos_mm.utils.files import DiskFullError
from r2vos_mm.utils.storage.faults import without_secrets

from .claims import HeldClaim
from .folder import CollectionFolder, Throttle
from .manifest import Job, Span, digest, read_manifest
from .plan import MAX_FRAMES, SHARD_FRAMES, Unit, plan_tasks

T = TypeVar('T')
Part = dict[str, Any]
Row = dict[str, Any]

_MAX_DEATHS = 5
_MAX_FAULTS = 20


class Labeller(Protocol):
    """Interface of the models of a collection, such as :class:`.labeller.VideoLabeller`.

    Attributes:
        settings: what rows depend on; a folder begun with others is refused.
        frames_per_pass: frames of a window.
    """

    settings: dict[str, Any]
    frames_per_pass: int

    def label_span(self, job: Job, span: Span) -> Part:
        """Segment a span of a video; the result has a form in JSON, and may be empty."""

    def join(self, job: Job, spans: Sequence[Span], parts: Sequence[Part]) -> list[Row]:
        """Return the rows of a video, one per expression, from its consecutive spans."""


class VideoError(Exception):
    """A video that cannot be segmented; the message is one line."""


class TooManyFailuresError(UserError):
    """More videos failed than are allowed."""

    status = 1


class Worker:
    """Do units of a collection with a model until all are done.

    Args:
        folder: folder whose tasks are read.
        labeller: the model.
        max_failures: number of failed videos, of all processes, above which the work ends; None
            allows any number.
    """

    def __init__(
        self, folder: CollectionFolder, labeller: Labeller, max_failures: int | None = None
    ) -> None:
        self.folder, self.labeller, self.max_failures = folder, labeller, max_failures
        self._faults, self._throttle = 0, Throttle()

    def run(self) -> None:
        """Do units until all are done.

        Raises:
            TooManyFailuresError: more than ``max_failures`` videos failed.
        """
        while self.run_next():
            pass

    def run_next(self) -> str | None:
        """Do the next unit; return its name, or None when all are done.

        Raises:
            TooManyFailuresError: see :meth:`run`.
        """
        self._check_failures()
        with self.folder.next_unit() as found:
            if found is None:
                return None
            unit, claim = found
            (self._do_shard if unit.span is None else self._do_span)(unit, claim)
            return unit.name

    def rows_of(self, job: Job) -> list[Row]:
        """Return the rows of a job.

        Raises:
            VideoError: it cannot be segmented.
        """
        span = job.span or (0, None)
        part = self._try(self.labeller.label_span, job, span)
        return self._try(self.labeller.join, job, [span], [part])

    def _do_span(self, unit: Unit, claim: HeldClaim) -> None:
        start, job = time.monotonic(), self.folder.jobs[unit.task.jobs[0]]
        try:
            _check_deaths(claim.start(job.id))
            part = self._try(self.labeller.label_span, job, unit.task.spans[unit.span])
            content = dict(part=part)
        except VideoError as error:
            content = dict(error=str(error))
        self.folder.write_part(unit, dict(content, seconds=time.monotonic() - start))

    def _do_shard(self, unit: Unit, claim: HeldClaim) -> None:
        start, rows, failures = time.monotonic(), [], []
        parts = self.folder.read_parts(unit.task)
        if parts is None:
            return
        for index in unit.task.jobs:
            job = self.folder.jobs[index]
            try:
                _check_deaths(claim.start(job.id))
                rows += self._joined(job, unit, parts) if parts else self.rows_of(job)
            except VideoError as error:
                failures.append({**job.as_dict(), 'error': str(error)})
        seconds = time.monotonic() - start + sum(part['seconds'] for part in parts)
        self.folder.write_shard(unit.task, rows, failures, seconds)

    def _joined(self, job: Job, unit: Unit, parts: list[dict[str, Any]]) -> list[Row]:
        for part in parts:
            if 'error' in part:
                raise VideoError(part['error'])
        return self._try(self.labeller.join, job, unit.task.spans, [x['part'] for x in parts])

    def _try(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function; raise what it raises about a video as VideoError.

        After many unexpected errors in a row, the fault is that of the program or the device.
        """
        try:
            result = function(*arguments)
        except DiskFullError:
            raise
        except Exception as error:
            reason = user_message(error)
            self._faults = self._faults + 1 if reason is None else 0
            if self._faults >= _MAX_FAULTS:
                raise
            reason = reason or f'{type(error).__name__}: {one_line(error)}'
            raise VideoError(without_secrets(reason)) from error
        self._faults = 0
        return result

    def _check_failures(self) -> None:
        if self.max_failures is None:
            return
        is_due = self._throttle.is_due()
        with self._throttle.measured() if is_due else nullcontext():
            failed = self.folder.num_failed(of_others=is_due)
        if failed > self.max_failures:
            raise TooManyFailuresError(
                f'{failed} videos failed, more than the {self.max_failures} allowed: see '
                f'{self.folder.folder / "failures.jsonl"}; run again with a larger --max-failures '
                'to go on'
            )


@dataclass(frozen=True)
class CollectionRun:
    """Arguments that each process of a run gets.

    Attributes:
        manifest: see :func:`.manifest.read_manifest`.
        out_dir: folder of the collection.
        build: builds the model; it is called in each process, and picklable.
        texts: expressions for rows without any.
        max_frames, shard_frames: see :func:`.plan.plan_tasks`.
        max_failures: see :class:`Worker`.
        claims: options of :class:`.claims.Claims`.
    """

    manifest: Path
    out_dir: Path
    build: Callable[[], Labeller]
    texts: tuple[str, ...] = ()
    max_frames: int = MAX_FRAMES
    shard_frames: int = SHARD_FRAMES
    max_failures: int | None = None
    claims: dict[str, float] = field(default_factory=dict)

    def folder(self) -> CollectionFolder:
        """Read the manifest and open the folder.

        Raises:
            UsageError: see :func:`.manifest.read_manifest`.
        """
        return CollectionFolder(
            self.out_dir, read_manifest(self.manifest, self.texts), **self.claims
        )

    def worker(self) -> Worker:
        """Build the model, and begin or continue the collection.

        Raises:
            UsageError: the folder was begun with other settings.
        """
        folder, labeller = self.folder(), self.build()
        plan = partial(
            plan_tasks,
            folder.jobs,
            frames_per_pass=labeller.frames_per_pass,
            max_frames=self.max_frames,
            shard_frames=self.shard_frames,
        )
        folder.begin(dict(manifest=digest(folder.jobs), **labeller.settings), plan)
        return Worker(folder, labeller, self.max_failures)


def _check_deaths(count: int) -> None:
    """Raise VideoError for a video at which several processes died."""
    if count >= _MAX_DEATHS:
        raise VideoError(f'{count} processes died while they segmented it')
