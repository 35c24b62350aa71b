"""Worker processes: order, death of workers and of the parent, Ctrl-C, OpenCV's threads."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import cv2
import pytest
from clocks import wait_until
from scripts import is_alive

from r2vos_mm.utils.cli import UserError
from r2vos_mm.utils.processes import map_in_processes, one_opencv_thread

pytestmark = pytest.mark.skipif(sys.platform == 'win32', reason='there is no fork')

OPENCV = """
import cv2
import numpy as np
from r2vos_mm.utils.processes import map_in_processes

image = np.zeros((2000, 2000, 3), np.uint8)

def blur(size):
    return cv2.resize(cv2.GaussianBlur(image, (9, 9), 0), (size, size)).shape

cv2.setNumThreads(4)
blur(1500)  # starts the pool
print(list(map_in_processes(blur, [7, 8], workers=2)))
"""

# Writes the id of each worker that it starts, then waits.
SLOW = """
import os, sys, time
from r2vos_mm.utils.cli import short_errors
from r2vos_mm.utils.processes import map_in_processes

def work(item):
    open(os.path.join(sys.argv[1], str(os.getpid())), 'w').close()
    time.sleep(60)

with short_errors():
    list(map_in_processes(work, range(8), workers=2))
"""


def power(base: int, *, to: int) -> int:
    return base**to


def slower_first(item: int) -> int:
    time.sleep(0.3 if item == 0 else 0)
    return item


def die_at(item: int, *, bad: int, how: signal.Signals) -> int:
    time.sleep(0.2)
    if item == bad:
        os.kill(os.getpid(), how)
    return item


def fail_at(item: int) -> int:
    if item == 2:
        raise ValueError('item 2')
    return item


@pytest.mark.parametrize('workers', [1, 3])
def test_results_come_in_order(workers: int) -> None:
    cubes = map_in_processes(partial(power, to=3), range(7), workers=workers)
    assert list(cubes) == [0, 1, 8, 27, 64, 125, 216]


def test_results_come_as_they_are_ready() -> None:
    ready = list(map_in_processes(slower_first, range(4), workers=2, in_order=False))
    assert sorted(ready) == [0, 1, 2, 3]
    assert ready[0] != 0


def test_no_items() -> None:
    assert list(map_in_processes(slower_first, [], workers=2)) == []


@pytest.mark.parametrize('in_order', [True, False])
def test_a_worker_that_dies_is_an_error_that_names_its_item(in_order: bool) -> None:
    work = partial(die_at, bad=3, how=signal.SIGKILL)
    with pytest.raises(UserError, match='died at video 3. The system'):
        list(map_in_processes(work, range(9), workers=2, name='video {}'.format, in_order=in_order))


def test_errors_of_the_function_pass() -> None:
    with pytest.raises(ValueError, match='item 2'):
        list(map_in_processes(fail_at, range(9), workers=2))


@pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='there is no /proc')
@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path: Path, how: signal.Signals) -> None:
    command = [sys.executable, '-c', SLOW, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as parent:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2, seconds=60)
        parent.send_signal(how)
        message = parent.communicate(timeout=10)[1]
    workers = [int(path.name) for path in tmp_path.iterdir()]
    wait_until(lambda: not any(map(is_alive, workers)), seconds=5)
    if how == signal.SIGINT:
        assert (parent.returncode, message) == (130, 'stopped\n')


@pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='there is no /proc')
def test_commands_end_with_their_parent_also_after_exec() -> None:
    code = (
        'import subprocess, time\n'
        'from r2vos_mm.utils.processes import die_with_parent\n'
        "command = ['bash', '-c', 'exec sleep 60']\n"
        'print(subprocess.Popen(command, preexec_fn=die_with_parent).pid, flush=True)\n'
        'time.sleep(60)\n'
    )
    command = [sys.executable, '-c', code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        time.sleep(0.3)  # until after exec
        assert is_alive(child)
        parent.kill()
    wait_until(lambda: not is_alive(child), seconds=5)


def test_forked_processes_do_not_wait_for_threads_that_are_gone() -> None:
    result = subprocess.run(
        [sys.executable, '-c', OPENCV], capture_output=True, text=True, timeout=120, check=True
    )
    assert result.stdout.strip() == '[(7, 7, 3), (8, 8, 3)]'


def test_the_number_of_threads_comes_back() -> None:
    before = cv2.getNumThreads()
    with one_opencv_thread():
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before


def started(code: str) -> tuple[subprocess.Popen, str]:
    """Start Python code; return the process and the first line that it prints."""
    code = f'import os, signal, sys, time\nfrom r2vos_mm.utils.processes import *\n{code}'
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process = subprocess.Popen([sys.executable, '-c', code], **pipes)
    return process, process.stdout.readline().strip()


def test_loader_workers_die_with_a_killed_process() -> None:
    process, worker = started(
        'with loader_workers():\n    pid = os.fork()\n'
        '    if pid:\n        print(pid, flush=True)\n    time.sleep(60)'
    )
    process.kill()
    process.wait()
    end = time.monotonic() + 5
    while is_alive(int(worker)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not is_alive(int(worker))


def test_a_dead_loader_worker_is_told_with_its_item() -> None:
    process, _ = started(
        'import torch\nfrom r2vos_mm.utils.cli import short_errors\n'
        'class Items(torch.utils.data.Dataset):\n'
        '    def __len__(self): return 4\n'
        '    def __getitem__(self, index):\n'
        '        note_work(f"video {index}")\n'
        '        index == 2 and os.kill(os.getpid(), signal.SIGKILL)\n'
        '        return index\n'
        'with short_errors(), loader_workers():\n'
        '    list(torch.utils.data.DataLoader(Items(), num_workers=1))'
    )
    told = 'error: a loader worker died at video 2: '
    assert process.communicate(timeout=60)[1].startswith(told)
    assert process.returncode == 2
