"""Share work between processes and machines by claim files in a common folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from r2vos_mm.utils.files import atomic_path, process_fields, process_is_alive, write_if_absent
from r2vos_mm.utils.signals import told_of_signals

BEAT_SECONDS = 15.0
LOST_SECONDS = 180.0  # more than the time for which network file systems cache attributes


class Claims:
    """Claims of named work by the processes that use a folder.

    A claim is a file with its owner, whose time of change is renewed while the owner lives. The
    claim of a dead process of this machine is taken over at once, that of another machine after
    its file has not changed for ``lost_seconds``. Two processes may in rare cases both take over
    one claim: what they do must be harmless if it is done twice.

    Args:
        folder: made if it does not exist; all processes see it.
        beat_seconds: time between renewals.
        lost_seconds: time without a renewal after which an owner counts as dead.
    """

    def __init__(
        self,
        folder: Path,
        *,
        beat_seconds: float = BEAT_SECONDS,
        lost_seconds: float = LOST_SECONDS,
    ) -> None:
        self.folder, self.beat_seconds, self.lost_seconds = folder, beat_seconds, lost_seconds
        folder.mkdir(parents=True, exist_ok=True)
        self._token = secrets.token_hex(8)
        self._seen: dict[str, tuple[int, float]] = {}  # last change, and when it was first seen

    def names(self) -> set[str]:
        """Return what is claimed at present."""
        return {path.stem for path in self.folder.glob('[!.]*.json')}

    @contextlib.contextmanager
    def claim(self, name: str) -> Iterator[HeldClaim | None]:
        """Yield the claim of a name, None if another process has it, and release it at the end."""
        try:
            claim = self._take(name)
        except FileNotFoundError:  # another process, which saw that all is done, removed the folder
            claim = None
        if claim is None:
            yield None
            return
        stop = threading.Event()
        beat = threading.Thread(target=self._renew, args=(claim.path, stop), daemon=True)
        beat.start()
        try:
            with told_of_signals(claim.expect_end):
                yield claim
        finally:
            stop.set()
            beat.join()
            claim.release()

    def is_free(self, name: str) -> bool:
        """Return whether a claimed name can be taken over."""
        path = self._path(name)
        try:
            changed, content = path.stat().st_mtime_ns, _read(path)
        except FileNotFoundError:
            return True
        owner = content.get('owner', {})
        if owner.get('machine') == machine() and owner.get('token') != self._token:
            return not _runs(owner)
        since = self._seen.get(name)
        if since is None or since[0] != changed:
            self._seen[name] = (changed, time.monotonic())
            return False
        return time.monotonic() - since[1] > self.lost_seconds

    def remove_lost(self) -> None:
        """Remove the claims of dead processes of this machine."""
        for name in self.names():
            if self.is_free(name):
                self._path(name).unlink(missing_ok=True)

    def remove_of(self, pids: Container[int]) -> None:
        """Remove the claims of processes of this machine, which have ended, by their numbers."""
        for path in map(self._path, self.names()):
            with contextlib.suppress(FileNotFoundError):
                owner = _read(path).get('owner', {})
                if owner.get('machine') == machine() and owner.get('pid') in pids:
                    path.unlink()

    def _take(self, name: str) -> HeldClaim | None:
        path, claim = self._path(name), HeldClaim(self._path(name), self._token)
        if write_if_absent(claim.content(), path):
            return claim
        if not self.is_free(name):
            return None
        with contextlib.suppress(FileNotFoundError):
            claim.inherit(_read(path))
        claim.write()
        return claim if claim.is_own() else None

    def _renew(self, path: Path, stop: threading.Event) -> None:
        while not stop.wait(self.beat_seconds):
            with contextlib.suppress(OSError):
                os.utime(path)

    def _path(self, name: str) -> Path:
        return self.folder / f'{name}.json'


class HeldClaim:
    """A claim that this process holds, and the items at which earlier processes died.

    Processes that a signal such as SIGTERM ended, as at a preemption, are not counted.

    Args:
        path: its file.
        token: random text that identifies this process.
    """

    def __init__(self, path: Path, token: str) -> None:
        self.path, self.token = path, token
        self.item: str | None = None
        self._deaths: dict[str, int] = {}
        self._lock, self._is_ending, self._is_released = threading.Lock(), False, False

    def start(self, item: str) -> int:
        """Note the current item; return how many processes have died while working on it."""
        self.item = item
        self.write()
        return self._deaths.get(item, 0)

    def expect_end(self) -> None:
        """Note that this process has been told to end, which is not the fault of its item."""
        self._is_ending = True
        with contextlib.suppress(OSError):
            if self.is_own():
                self.write()

    def inherit(self, content: dict[str, Any]) -> None:
        """Take over the content of the claim of a dead process."""
        self._deaths = dict(content.get('deaths', {}))
        if content.get('item') is not None:
            self._deaths[content['item']] = self._deaths.get(content['item'], 0) + 1

    def content(self) -> str:
        """Return the content of the file."""
        owner = dict(machine=machine(), pid=os.getpid(), started=_start(os.getpid()))
        owner['token'] = self.token
        item = None if self._is_ending else self.item
        return json.dumps(dict(owner=owner, item=item, deaths=self._deaths))

    def write(self) -> None:
        """Write the file; it replaces that of another process if there is one."""
        with self._lock:
            if not self._is_released:
                with atomic_path(self.path) as temporary:
                    temporary.write_text(self.content(), encoding='utf-8')

    def is_own(self) -> bool:
        """Return whether the file is of this process."""
        with contextlib.suppress(FileNotFoundError):
            return _read(self.path).get('owner', {}).get('token') == self.token
        return False

    def release(self) -> None:
        """Remove the file."""
        with self._lock:
            self._is_released = True
            if self.is_own():
                self.path.unlink(missing_ok=True)


def machine() -> str:
    """Return a name of this machine, or of its container, which numbers its own processes."""
    names = [socket.gethostname()]
    with contextlib.suppress(OSError):
        names.append(Path('/proc/sys/kernel/random/boot_id').read_text().strip())
        names.append(os.readlink('/proc/self/ns/pid'))
    return ' '.join(names)


def _runs(owner: dict[str, Any]) -> bool:
    pid = owner.get('pid', 0)
    return process_is_alive(pid) and _start(pid) == owner.get('started')


def _start(pid: int) -> str | None:
    """Return when a process started, None if unknown: numbers of processes are used again."""
    fields = process_fields(pid)
    return fields[19] if len(fields) > 19 else None


def _read(path: Path) -> dict[str, Any]:
    """Return the content of a claim, empty if it is damaged."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
