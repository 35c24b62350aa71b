"""Handle signals: end a tool, note signals for the next step of a training, shield workers.

No other module installs handlers of signals that end a program.
"""

from __future__ import annotations

import functools
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 10.0
# What a launcher or scheduler may send to all processes of a training, loader workers included.
_LEFT_TO_PARENT = ('SIGTERM', 'SIGUSR1', 'SIGUSR2')
_noting: set[int] = set()
_listeners: list[Callable[[], object]] = []


@contextmanager
def interrupted_by_signals(
    end: Callable[[int], object],
    *,
    patience: float | None = None,
    numbers: Iterable[int] = _ENDING,
) -> Iterator[list[int]]:
    """Raise KeyboardInterrupt in the block at the first SIGINT or SIGTERM.

    The block is left when the running operator is done. Outside of the main thread this does
    nothing. The previous handlers are restored unless a signal has come.

    Args:
        end: called with the number of the first signal when a second one comes, also if the main
            thread is blocked in compiled code.
        patience: seconds after the first signal when ``end`` is called without a second one.
        numbers: the signals.

    Yields:
        The numbers of the signals so far; interrupted libraries may raise their own errors.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            raise KeyboardInterrupt
        end(received[0])

    _reset_forked_processes()
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        with _watched(partial(_end_in_time, end=end, patience=patience)):
            yield received
    finally:
        for number, handler in before.items():
            if not received:
                signal.signal(number, handler)


@contextmanager
def told_of_signals(listener: Callable[[], object]) -> Iterator[None]:
    """Call ``listener`` when the first signal comes that ends a block of this module.

    A thread calls it at once, while the main thread may be blocked until the process is killed.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def left_at_sigterm() -> Iterator[None]:
    """Leave the block as by Ctrl-C when SIGTERM comes, and then end this process by it.

    This does nothing where SIGTERM is handled already, and outside of the main thread.
    """
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    received: list[int] = []
    try:
        with interrupted_by_signals(lambda number: None, numbers=[signal.SIGTERM]) as received:
            yield
    finally:
        if received:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def ended_by_signals(last_words: Callable[[], str]) -> Iterator[None]:
    """End this process at Ctrl-C or SIGTERM, with one line on stderr and status 130 or 143.

    The block is left when the running operator ends. A second signal, or ``_PATIENCE`` seconds,
    end the process at once.

    Args:
        last_words: gives the line; of several ranks, rank 0 prints it.
    """

    def end(number: int) -> None:
        if is_rank_0():  # a launcher also stops the others
            print(last_words(), file=sys.stderr, flush=True)
        # Without the usual end, which waits for loader workers and other ranks.
        os._exit(128 + number)

    with interrupted_by_signals(end, patience=_PATIENCE) as received:
        try:
            yield
        except BaseException:  # the interruption may have led to any other error
            if received:
                end(received[0])
            raise


def is_rank_0() -> bool:
    """Return whether the launcher calls this process the first, or there is no launcher."""
    return os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0')) == '0'


@contextmanager
def noted_signals(numbers: Iterable[int]) -> Iterator[list[int]]:
    """Note signals in the block instead of ending the process; any number of them may come.

    Yields:
        The numbers received so far; clear the list to forget them.

    Raises:
        ValueError: this is not the main thread.
    """
    received: list[int] = []
    numbers = frozenset(numbers)
    _reset_forked_processes()
    before = {n: signal.signal(n, lambda number, _: received.append(number)) for n in numbers}
    _noting.update(numbers)
    try:
        yield received
    finally:
        _noting.difference_update(numbers)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _watched(watch: Callable[[int], None]) -> Iterator[None]:
    """Let a thread read the numbers of signals from a pipe; the main thread waits for operators."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=watch, args=(reader,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before, warn_on_full_buffer=False)
        os.close(writer)


def _end_in_time(reader: int, *, end: Callable[[int], object], patience: float | None) -> None:
    """Call ``end`` at a second signal, or when the first one is not handled in time."""
    seen: list[int] = []
    while len(seen) < 2 and select.select([reader], [], [], patience if seen else None)[0]:
        numbers = os.read(reader, 64)
        if not numbers:
            os.close(reader)
            return
        seen += [number for number in numbers if number in _ENDING and number not in _noting]
        for listener in _listeners[:] if seen else ():
            listener()
    end(seen[0])


@functools.cache
def _reset_forked_processes() -> None:
    """Let forked workers ignore Ctrl-C, which their parent handles, and end silently by SIGTERM."""

    def reset() -> None:
        with suppress(ValueError):  # it is not the main thread that was forked
            signal.set_wakeup_fd(-1)  # a worker's signals are not those of its parent
        if getattr(signal.getsignal(signal.SIGINT), '__module__', None) == __name__:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, *_noting):
            if getattr(signal.getsignal(number), '__module__', None) == __name__:
                signal.signal(number, signal.SIG_DFL)

    if hasattr(os, 'register_at_fork'):
        os.register_at_fork(after_in_child=reset)


def leave_signals_to(parent: int) -> None:
    """Ignore Ctrl-C and the signals of schedulers in this process; call it after a fork, early.

    Launchers and schedulers signal all processes of a run. A worker that ended at once would end
    the run before its last checkpoint. SIGTERM of the process ``parent`` still ends this one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not hasattr(signal, 'sigwaitinfo'):  # macOS: no way to see who sent a signal
        return
    numbers = {getattr(signal, name) for name in _LEFT_TO_PARENT}
    # Blocked, because PyTorch installs a handler in its workers that ends them.
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    threading.Thread(target=_end_by_parent, args=(numbers, parent), daemon=True).start()


def _end_by_parent(numbers: set[int], parent: int) -> None:
    while True:
        received = signal.sigwaitinfo(numbers)
        if received.si_signo == signal.SIGTERM and received.si_pid == parent:
            os._exit(0)
