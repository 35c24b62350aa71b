"""Signals end a process with one line, are noted for later, or are left to the parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from scripts import is_alive

from r2vos_mm.utils import signals

pytestmark = pytest.mark.skipif(sys.platform == 'win32', reason='there is no fork')


def started(code: str, **pipes: int) -> tuple[subprocess.Popen, str]:
    """Start Python code; return the process and the first line that it prints."""
    code = f'import os, signal, sys, time\nfrom r2vos_mm.utils.signals import *\n{code}'
    pipes |= dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process = subprocess.Popen([sys.executable, '-c', code], **pipes)
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_process_with_one_line(number: int, status: int) -> None:
    process, _ = started(
        'with ended_by_signals(lambda: "stopped; bye"):\n'
        '    try:\n        print("ready", flush=True); time.sleep(60)\n'
        '    finally:\n        raise RuntimeError("another error")'
    )
    process.send_signal(number)
    assert process.communicate(timeout=10) == ('', 'stopped; bye\n')
    assert process.returncode == status


def test_a_second_signal_ends_a_blocked_process() -> None:
    """The thread waits for a lock of C, where Python runs no handlers."""
    process, _ = started(
        'import ctypes\nlibrary, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64)\n'
        'with ended_by_signals(lambda: "stopped"):\n'
        '    print("ready", flush=True)\n'
        '    library.pthread_mutex_lock(lock); library.pthread_mutex_lock(lock)'
    )
    time.sleep(1)  # until it is in the second call
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=5) == ('', 'stopped\n')
    assert process.returncode == 130


def test_other_errors_pass_and_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyError), signals.ended_by_signals(str):
        raise KeyError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_noted_signals_interrupt_nothing_and_ctrl_c_still_does() -> None:
    process, _ = started(
        'with ended_by_signals(lambda: "stopped"), noted_signals([signal.SIGTERM]) as received:\n'
        '    print("ready", flush=True)\n'
        '    while len(received) < 2: time.sleep(0.01)\n'
        '    print(*received, flush=True)\n'
        '    time.sleep(60)'
    )
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    assert process.stdout.readline() == '15 15\n'
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10) == ('', 'stopped\n')
    assert process.returncode == 130


def test_signals_are_noted_in_the_block_only() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    with signals.noted_signals([signal.SIGUSR1]) as received:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert received == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) == before


@pytest.mark.skipif(not hasattr(signal, 'sigwaitinfo'), reason='macOS does not tell the sender')
def test_workers_end_by_their_parent_and_by_no_other_process() -> None:
    process, worker = started(
        'from r2vos_mm.utils.processes import loader_workers\n'
        'with loader_workers():\n    pid = os.fork()\n'
        'if pid:\n    sys.stdin.readline()\n'
        '    os.kill(pid, signal.SIGTERM); print(os.waitpid(pid, 0)[1], flush=True)\n'
        'else:\n    print(os.getpid(), flush=True); time.sleep(60)',
        stdin=subprocess.PIPE,
    )
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT):
        os.kill(int(worker), number)
    time.sleep(0.3)
    assert is_alive(int(worker))
    assert process.communicate('\n', timeout=10)[0] == '0\n'


def test_a_listener_is_told_while_the_process_is_blocked() -> None:
    """Once or more; it is not called after its block."""
    process, _ = started(
        'import ctypes\nlibrary, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64)\n'
        'with ended_by_signals(lambda: "stopped"):\n'
        '    with told_of_signals(lambda: print("late", flush=True)): pass\n'
        '    with told_of_signals(lambda: print("told", flush=True)):\n'
        '        print("ready", flush=True)\n'
        '        library.pthread_mutex_lock(lock); library.pthread_mutex_lock(lock)'
    )
    time.sleep(0.3)  # until it is blocked
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline().strip() == 'told'
    process.kill()
    assert 'late' not in process.communicate(timeout=5)[0]


def test_sigterm_ends_a_process_after_its_block() -> None:
    process, _ = started(
        'try:\n    with left_at_sigterm():\n'
        '        try:\n            print("ready", flush=True); time.sleep(60)\n'
        '        finally:\n            print("left", flush=True)\n'
        'finally:\n    print("never", flush=True)'
    )
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=10) == ('left\n', '')
    assert process.returncode == -signal.SIGTERM


@pytest.fixture
def default_sigterm() -> Iterator[None]:
    """Set the default handler, which a training that ended by an error has not restored."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures('default_sigterm')
def test_other_handlers_of_sigterm_stay() -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        with signals.left_at_sigterm():
            os.kill(os.getpid(), signal.SIGTERM)
        assert received == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
    with signals.left_at_sigterm():
        assert callable(signal.getsignal(signal.SIGTERM))
    assert signal.getsignal(signal.SIGTERM) == before == signal.SIG_DFL
