"""Run work in other processes that end with this one, and report those that die."""

import ctypes
import mmap
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from .cli import UserError
from .signals import leave_signals_to

T = TypeVar('T')
R = TypeVar('R')

_PR_SET_PDEATHSIG = 1
_SECONDS_BETWEEN_LOOKS = 1.0  # at the parent, where prctl does not exist
_SECONDS_TO_DIE = 1.0


def die_with_parent(parent: int | None = None) -> None:
    """End this process when its parent ends, also by SIGKILL; call it in the child, early.

    On Linux the kernel sends SIGKILL when the *thread* that started this process ends; that thread
    must outlive its children. Elsewhere a thread of this process checks the parent once per second.

    Args:
        parent: id of the parent process, which may have ended already. Defaults to the present one.
    """
    parent, started_by = parent or os.getppid(), multiprocessing.parent_process()
    if sys.platform == 'linux':
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    # The parent may have ended before.
    if os.getppid() != parent or (started_by is not None and not started_by.is_alive()):
        os._exit(1)


def _end_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)


def start_worker(parent: int | None = None, *, ignores_sigterm: bool = False) -> None:
    """Initialize a worker of a pool: it ends with its parent, which alone handles Ctrl-C.

    Args:
        parent: see :func:`die_with_parent`.
        ignores_sigterm: leave SIGTERM, which schedulers send to all processes, to the parent, too;
            the parent ends this process by SIGKILL.
    """
    die_with_parent(parent)
    for number in (signal.SIGINT, *[signal.SIGTERM] * ignores_sigterm):
        signal.signal(number, signal.SIG_IGN)


# What each process works on, by process number modulo the number of slots; forks share it.
_SLOT, _SLOTS = 256, 256
_work = mmap.mmap(-1, _SLOT * _SLOTS)
_forks = {'are_workers': False, 'parent': 0}
os.register_at_fork(
    before=lambda: _forks.update(parent=os.getpid()),
    after_in_child=lambda: _forks['are_workers'] and _start_loader_worker(),
)


def _start_loader_worker() -> None:
    die_with_parent(_forks['parent'])
    leave_signals_to(_forks['parent'])


def note_work(name: str) -> None:
    """Note the item that this process works on, to be named if it dies; '' for none."""
    start = os.getpid() % _SLOTS * _SLOT
    _work[start : start + _SLOT] = f'{os.getpid()} {name}'.encode()[:_SLOT].ljust(_SLOT, b'\0')


def _noted_work(pids: Iterable[int]) -> str:
    """Return `` at A or B``, the items that some processes work on; '' if none is known."""
    items = []
    for pid in pids:
        start = pid % _SLOTS * _SLOT
        owner, _, name = _work[start : start + _SLOT].rstrip(b'\0').partition(b' ')
        if name and owner == str(pid).encode():
            items.append(name.decode(errors='replace'))
    return f' at {" or ".join(items)}' if items else ''


def _failure_of_workers(error: Exception) -> re.Match | None:
    """Find the dead workers in an error of a ``DataLoader``, or ask PyTorch for them."""
    text = str(error)
    # The connections of a worker break a moment before its death is seen.
    end = time.monotonic() + _SECONDS_TO_DIE * isinstance(error, (ConnectionError, EOFError))
    while 'torch' in sys.modules:
        try:
            sys.modules['torch']._C._error_if_any_worker_fails()
        except RuntimeError as found:
            text = text if 'DataLoader worker' in text else str(found)
            break
        if time.monotonic() >= end:
            break
        time.sleep(0.01)
    return re.search(r'DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)(.*)', text)


@contextmanager
def loader_workers() -> Iterator[None]:
    """Let workers that a ``DataLoader`` forks in the block end with this process, not by Ctrl-C.

    Raises:
        UserError: a worker of a ``DataLoader`` died; the message names the item of
            :func:`note_work`.
    """
    before, _forks['are_workers'] = _forks['are_workers'], True
    try:
        yield
    except (RuntimeError, OSError, EOFError) as error:
        # PyTorch's handler raises again when the worker is seen to have ended.
        handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        dead = _failure_of_workers(error)
        if dead is None:
            signal.signal(signal.SIGCHLD, handler)
            raise
        where = _noted_work(map(int, dead[1].split(',')))
        raise UserError(
            f'a loader worker died{where}:{dead[2].rstrip(" .")}. The system may have run out of '
            'memory: try fewer num_workers, and see dmesg'
        ) from error
    finally:
        _forks['are_workers'] = before


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Use no threads of OpenCV inside the block; processes forked inside inherit that.

    OpenCV's pool of threads does not survive a fork: in the new process, the next call that touches
    it never returns, ``cv2.setNumThreads`` included. So it is shut down before the fork.
    """
    cv2 = sys.modules.get('cv2')
    if cv2 is None:
        yield
        return
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def map_in_processes(
    function: Callable[[T], R],
    items: Sequence[T],
    *,
    workers: int,
    name: Callable[[T], str] = str,
    in_order: bool = True,
) -> Iterator[R]:
    """Yield ``function(item)`` of all items, computed in ``workers`` processes.

    The workers are forked where that exists, so that they share the memory of this process, and
    end with the iterator, with an error, and with this process.

    Args:
        function: picklable; its errors are raised here.
        items: picklable.
        workers: number of processes; with 1 or less this process computes them.
        name: name of an item, for error messages.
        in_order: whether to yield in the order of ``items`` or as results are ready.

    Raises:
        UserError: a worker died; the message names the item that it worked on.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'
    context = multiprocessing.get_context(method)
    before = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, context, initializer=_start, initargs=(function, name))
    processes: set[BaseProcess] = set()
    try:
        with one_opencv_thread():
            futures = [pool.submit(_work_on, item) for item in items]
        processes |= set(multiprocessing.active_children()) - before
        yield from (future.result() for future in _finished(futures, in_order))
    except BrokenProcessPool:
        pool.shutdown()
        raise _error_of_dead_worker(processes) from None
    except BaseException:
        for process in processes:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _error_of_dead_worker(processes: Collection[BaseProcess]) -> UserError:
    # The pool has ended the other workers by SIGTERM.
    dead = [worker for worker in processes if worker.exitcode != -signal.SIGTERM]
    where = _noted_work(worker.pid for worker in dead or processes)
    return UserError(
        f'a worker process died{where}. The system may have run out of memory: try fewer '
        'processes, and see the kernel log (dmesg)'
    )


_worker: dict[str, Callable] = {}


def _start(function: Callable, name: Callable) -> None:
    start_worker()
    _worker.update(function=function, name=name)


def _work_on(item: Any) -> Any:
    note_work(_worker['name'](item))
    try:
        return _worker['function'](item)
    finally:
        note_work('')


def _finished(futures: list[Future], in_order: bool) -> Iterator[Future]:
    """Empty the list and yield its futures, so that no result is kept that has been used."""
    if not in_order:
        ready = as_completed(set(futures))
        futures.clear()
        yield from ready
    while futures:
        yield futures.pop(0)
