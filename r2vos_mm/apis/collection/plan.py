"""Plan the tasks of a collection: shards of short videos, spans of long ones, longest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from r2vos_mm.datasets.io.sources import stated_length

from .manifest import Job, Span

MAX_FRAMES = 3600
SHARD_FRAMES = 2000

_MIN_SHARDS = 64  # of small collections, so that processes end at about the same time
_UNKNOWN_FRAMES = 100  # assumed of videos that state no number, as those of addresses
_READERS = 16  # threads that read headers; these wait for the disk


class Task(NamedTuple):
    """The videos of one shard; or a long video, whose spans are segmented one by one and joined.

    Attributes:
        shard: number of the shard.
        jobs: positions in the manifest.
        frames: number of frames to segment, as stated by the videos.
        spans: spans of the one video if it is split, else empty.
    """

    shard: int
    jobs: list[int]
    frames: int
    spans: list[Span]


class Unit(NamedTuple):
    """Work that a process claims as one piece: a span of a task, or else its shard."""

    task: Task
    span: int | None = None

    @property
    def name(self) -> str:
        """Name of its claim and its file."""
        shard = f'{self.task.shard:06d}'
        return shard if self.span is None else f'{shard}.{self.span:04d}'

    def needs(self) -> list[str]:
        """Return the names of the units that must be done before this one."""
        spans = () if self.span is not None else range(len(self.task.spans))
        return [Unit(self.task, number).name for number in spans]


def plan_tasks(
    jobs: Sequence[Job],
    *,
    frames_per_pass: int,
    max_frames: int = MAX_FRAMES,
    shard_frames: int = SHARD_FRAMES,
) -> list[Task]:
    """Return tasks that cover all jobs, longest videos first.

    Lengths are those of the manifest, or else of the headers of the videos.

    Args:
        jobs: rows of the manifest.
        frames_per_pass: frames of a window, at whose borders long videos are split.
        max_frames: frames above which a video is split into spans.
        shard_frames: frames of a shard; fewer in small collections.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        lengths = list(readers.map(_length, jobs))
    limit = min(shard_frames, sum(lengths) // _MIN_SHARDS)
    order = sorted(range(len(jobs)), key=lambda index: -lengths[index])
    tasks: list[Task] = []
    for index in order:
        spans = _spans(jobs[index], lengths[index], max_frames, frames_per_pass)
        last = tasks[-1] if tasks else None
        if last is None or spans or last.spans or last.frames + lengths[index] > limit:
            tasks.append(Task(len(tasks), [index], lengths[index], spans))
        else:
            frames = last.frames + lengths[index]
            tasks[-1] = last._replace(jobs=[*last.jobs, index], frames=frames)
    return tasks


def units_of(tasks: Sequence[Task]) -> Iterator[Unit]:
    """Yield what is to be done, in order."""
    for task in tasks:
        yield from (Unit(task, number) for number in range(len(task.spans)))
        yield Unit(task)


def _length(job: Job) -> int:
    """Return the number of frames of a job as stated, at least 1."""
    frames = job.frames or stated_length(job.path)
    if job.span is None:
        return max(1, frames or _UNKNOWN_FRAMES)
    start, stop = job.span
    return max(1, min(stop, frames or stop) - start)


def _spans(job: Job, length: int, max_frames: int, frames_per_pass: int) -> list[Span]:
    """Return spans that begin at borders of windows; none if the video is not longer than allowed.

    The last span has no end, since the stated length may be wrong.
    """
    step = max(1, max_frames // frames_per_pass) * frames_per_pass
    if length <= max(step, max_frames):
        return []
    first, stop = job.span or (0, None)
    starts = list(range(first, first + length, step))
    return list(zip(starts, [*starts[1:], stop]))
