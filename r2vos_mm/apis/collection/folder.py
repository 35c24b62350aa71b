"""Keep the results of a collection in a folder, so that any process can continue it."""

from __future__ import annotations

import contextlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.files import (
    PathLike,
    read_json,
    remove_temporaries,
    write_atomically,
    write_if_absent,
    write_json,
)

from .claims import Claims, HeldClaim
from .manifest import Job
from .plan import Task, Unit, units_of

FORMAT = 'r2vos-collection/1'
ROWS, FAILURES, SUMMARY, STATE = 'shards', 'failures.jsonl', 'summary.json', 'collection.json'
_WAIT_SECONDS, _LONGEST_WAIT = 0.2, 5.0
_COUNTS = ('videos', 'failed', 'rows', 'found', 'frames', 'masks', 'seconds')
_SHOWN = 60  # characters of a setting in messages
_SHARE_OF_LOOKS = 0.05  # of the time


class CollectionFolder:
    """The folder of a collection.

    * ``collection.json``: settings that rows depend on, and the tasks;
    * ``shards/000012.jsonl``: rows of finished shards, with counts and failures in
      ``shards/000012.json``, which is written before;
    * ``parts/``: finished spans of long videos, until these are joined;
    * ``claims/``: see :class:`.claims.Claims`;
    * ``failures.jsonl`` and ``summary.json``, at the end.

    A file is either complete or absent. Its content does not depend on the process that writes it.

    Args:
        folder: made if it does not exist.
        jobs: rows of the manifest.
        claims: options of :class:`.claims.Claims`.
    """

    def __init__(self, folder: PathLike, jobs: Sequence[Job], **claims: float) -> None:
        self.folder, self.jobs = Path(folder), jobs
        self.claims = Claims(self.folder / 'claims', **claims)
        self.tasks: list[Task] = []
        self._open: deque[Unit] = deque()
        self._failed: dict[str, int] = {}
        for name in (ROWS, 'parts'):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def begin(self, settings: dict[str, Any], plan: Callable[[], list[Task]]) -> None:
        """Write settings and tasks, or read and compare those that the folder has.

        Raises:
            UsageError: the folder was begun with other settings; the message names them.
        """
        path = self.folder / STATE
        while not path.is_file():
            with self.claims.claim('plan') as claim:
                if claim is not None and not path.is_file():
                    content = dict(format=FORMAT, settings=settings, tasks=plan())
                    write_if_absent(json.dumps(content, ensure_ascii=False) + '\n', path)
            time.sleep(0 if path.is_file() else _WAIT_SECONDS)
        self.load(settings)

    def load(self, settings: dict[str, Any] | None = None) -> set[str]:
        """Read the tasks and return the names of units that are done; compare settings if given.

        Raises:
            UsageError: see :meth:`begin`.
        """
        content = read_json(self.folder / STATE)
        _check(self.folder, content, json.loads(json.dumps(settings)))
        spans = ([*task[:3], [tuple(span) for span in task[3]]] for task in content['tasks'])
        self.tasks = [Task(*task) for task in spans]
        done = self.done()
        units = units_of(self.tasks)
        self._open = deque(u for u in units if not {u.name, Unit(u.task).name} & done)
        return done

    def is_begun(self) -> bool:
        """Return whether settings and tasks are written."""
        return (self.folder / STATE).is_file()

    @contextlib.contextmanager
    def next_unit(self) -> Iterator[tuple[Unit, HeldClaim] | None]:
        """Yield the next unit and its claim, or None when all are done.

        While other processes work on all that is left, this one waits to take over if they die.
        """
        wait = _WAIT_SECONDS
        while self._open:
            claimed, passed = self.claims.names(), []
            # Units that are done are dropped; those of other processes are looked at again.
            while self._open:
                unit = self._open.popleft()
                if self.is_done(unit):
                    continue
                passed.append(unit)
                is_taken = unit.name in claimed and not self.claims.is_free(unit.name)
                if is_taken or not all(self._part(name).is_file() for name in unit.needs()):
                    continue
                with self.claims.claim(unit.name) as claim:
                    if claim is not None and not self.is_done(unit):
                        self._open.extendleft(reversed(passed))
                        yield unit, claim
                        return
            self._open.extend(passed)
            time.sleep(wait)
            wait = min(1.5 * wait, _LONGEST_WAIT)
        yield None

    def done(self) -> set[str]:
        """Return the names of all units that are done."""
        paths = [*(self.folder / ROWS).glob('[!.]*.jsonl'), *self._parts().glob('[!.]*.json')]
        return {path.stem for path in paths}

    def num_left(self) -> int:
        """Return the number of units that were not done when the folder was loaded."""
        return len(self._open)

    def is_done(self, unit: Unit) -> bool:
        """Return whether a unit is done, or its whole shard, whose parts are removed."""
        is_part = unit.span is not None and self._part(unit.name).is_file()
        return is_part or self._rows(unit.task.shard).is_file()

    def write_part(self, unit: Unit, content: dict[str, Any]) -> None:
        """Write what was found in a span."""
        write_json(self._part(unit.name), content, indent=None)

    def read_parts(self, task: Task) -> list[dict[str, Any]] | None:
        """Return what was found in the spans of a task, None if another process just joined them.

        Raises:
            FileNotFoundError: a part is missing, and the task is not done.
        """
        # The logits of models without a verdict are -Infinity.
        names = Unit(task).needs()
        try:
            return [read_json(self._part(name), allow_nan=True) for name in names]
        except FileNotFoundError:
            if not self._rows(task.shard).is_file():
                raise
            return None

    def write_shard(
        self,
        task: Task,
        rows: Sequence[dict[str, Any]],
        failures: Sequence[dict[str, Any]],
        seconds: float,
    ) -> None:
        """Write the rows of a task and what is counted of them; its parts are removed."""
        counts = dict(videos=len(task.jobs), failed=len(failures), **_counts(rows))
        counts['seconds'] = round(seconds, 3)
        path = self._rows(task.shard)
        write_json(path.with_suffix('.json'), dict(counts=counts, failures=failures), indent=None)
        lines = (json.dumps(r, ensure_ascii=False, separators=(',', ':')) + '\n' for r in rows)
        write_atomically(''.join(lines), path)
        self._failed[path.stem] = len(failures)
        for name in Unit(task).needs():
            self._part(name).unlink(missing_ok=True)

    def num_failed(self, *, of_others: bool = True) -> int:
        """Return the number of failures in finished shards.

        Args:
            of_others: look for shards that other processes have finished since the last call.
        """
        for path in (self.folder / ROWS).glob('[!.]*.jsonl') if of_others else ():
            if path.stem not in self._failed:
                content = read_json(path.with_suffix('.json'))
                self._failed[path.stem] = content['counts']['failed']
        return sum(self._failed.values())

    def finish(self) -> dict[str, Any]:
        """Write ``failures.jsonl`` and ``summary.json`` of what is done; return the summary."""
        done = self.load()
        shards = [self._rows(task.shard) for task in self.tasks if Unit(task).name in done]
        contents = [read_json(path.with_suffix('.json')) for path in shards]
        summary = _summary([content['counts'] for content in contents], self.jobs)
        summary['bytes'] = sum(path.stat().st_size for path in shards)
        with self.claims.claim('summary') as claim:
            if claim is not None:
                failures = [row for content in contents for row in content['failures']]
                lines = (json.dumps(row, ensure_ascii=False) + '\n' for row in failures)
                write_atomically(''.join(lines), self.folder / FAILURES)
                write_json(self.folder / SUMMARY, summary)
        if summary['videos'] == len(self.jobs):
            self._clean()
        return summary

    def _clean(self) -> None:
        """Remove what dead processes left, and the folders that are only needed before the end."""
        self.claims.remove_lost()
        for path in self._parts().glob('[!.]*.json'):  # of a process that died after its shard
            path.unlink(missing_ok=True)
        for name in (ROWS, 'claims', 'parts'):
            with contextlib.suppress(OSError):  # not empty, or removed by another process
                remove_temporaries(self.folder / name)
                (self.folder / name).rmdir()

    def _rows(self, shard: int) -> Path:
        return self.folder / ROWS / f'{shard:06d}.jsonl'

    def _parts(self) -> Path:
        return self.folder / 'parts'

    def _part(self, name: str) -> Path:
        return self._parts() / f'{name}.json'


class Throttle:
    """Limit how often a folder is read, so that reading takes a small share of the time."""

    def __init__(self) -> None:
        self._due = 0.0

    def is_due(self) -> bool:
        """Return whether to look at the folder now."""
        return time.monotonic() >= self._due

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the time of the block, which decides when the next one is due."""
        start = time.monotonic()
        yield
        now = time.monotonic()
        self._due = now + (now - start) / _SHARE_OF_LOOKS


def _counts(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    lengths = {row['id']: len(row['frames']) for row in rows}
    return dict(
        rows=len(rows),
        found=sum(row['found'] for row in rows),
        frames=sum(lengths.values()),
        masks=sum(code is not None for row in rows for code in row['segmentations']),
    )


def _summary(counts: Sequence[dict[str, Any]], jobs: Sequence[Job]) -> dict[str, Any]:
    total = {name: sum(item[name] for item in counts) for name in _COUNTS}
    seconds = total['seconds'] = round(total['seconds'], 3)
    rates = {f'{n}_per_second': round(total[n] / seconds, 3) if seconds else None
             for n in ('videos', 'rows', 'frames')}  # fmt: skip
    return dict(in_manifest=len(jobs), shards=len(counts), **total, **rates)


def _check(folder: Path, content: Any, settings: dict[str, Any] | None) -> None:
    """Raise UsageError if a folder is of another version or was begun with other settings."""
    if not isinstance(content, dict) or content.get('format') != FORMAT:
        raise UsageError(f'{folder / STATE} is not of this version ({FORMAT}): give another folder')
    if settings is None:
        return
    before, now = (dict(_flat(value)) for value in (content['settings'], settings))
    for name in [*now, *before]:
        if before.get(name) != now.get(name):
            old, new = (str(x.get(name))[:_SHOWN] for x in (before, now))
            raise UsageError(
                f'{folder} was begun with {name} {old}, not {new}: give another folder, or the '
                f'same {name}'
            )


def _flat(value: Any, name: str = '') -> Iterator[tuple[str, Any]]:
    """Yield the values of nested dicts by their dotted names."""
    if not isinstance(value, dict):
        yield name, value
        return
    for key, item in value.items():
        yield from _flat(item, f'{name}.{key}' if name else key)
