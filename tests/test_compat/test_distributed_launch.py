"""The launcher of several processes tells what ended them, in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from torch import distributed

from r2vos_mm.compat.distributed import lost_processes
from r2vos_mm.utils.cli import UserError

SCRIPT = """
import os, signal, sys, time
from r2vos_mm.utils.cli import say_once
say_once(sys.argv[1])
if os.environ['RANK'] == '1':
    time.sleep(1)
    exec(sys.argv[2])
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ('end', 'status', 'last'),
    [
        ('sys.exit(3)', 3, 'hello'),
        ('os.kill(os.getpid(), signal.SIGKILL)', 137, 'rank 1, was ended by SIGKILL'),
    ],
)
def test_status_and_last_line(tmp_path: Path, end: str, status: int, last: str) -> None:
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT)
    launcher = [sys.executable, '-m', 'r2vos_mm.compat.distributed_launch', '--standalone']
    result = subprocess.run(
        [*launcher, '--nproc-per-node=2', str(script), 'hello', end],
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == status
    assert result.stderr.splitlines()[0] == 'hello'
    assert last in result.stderr.splitlines()[-1]
    assert result.stderr.count('hello') == 1
    assert 'Traceback' not in result.stderr


def test_errors_of_the_backend_are_told() -> None:
    with pytest.raises(UserError, match=r'another process .* has ended.*\(NCCL'), lost_processes():
        raise distributed.DistBackendError('NCCL error\nmore')
    with pytest.raises(RuntimeError, match='shape'), lost_processes():
        raise RuntimeError('wrong shape')
