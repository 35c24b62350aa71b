"""Slurm jobs that are preempted, on a cluster of one node that is set up on this machine.

``R2VOS_SLURM=1`` runs these tests, as root, with Slurm and MUNGE installed; they take minutes.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from run_states import differences, last_state

ROOT = Path(__file__).parents[2]
CLUSTER = str(Path(__file__).with_name('cluster.sh'))
CONFIG = 'tests/toy/toy_config.py'
MISSING = [name for name in ('slurmctld', 'slurmd', 'munged', 'sbatch') if not shutil.which(name)]
pytestmark = [
    pytest.mark.skipif(os.environ.get('R2VOS_SLURM') != '1', reason='R2VOS_SLURM=1 runs it'),
    pytest.mark.skipif(bool(MISSING), reason=f'Slurm is not installed: {", ".join(MISSING)}'),
    pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() != 0, reason='needs root'),
]
PATHS = {'PYTHONPATH': os.pathsep.join(['tests/toy', str(ROOT)])}
PATHS['PATH'] = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
SECONDS = 600


@pytest.fixture(scope='module')
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Function that runs a command in the cluster and returns what it prints."""
    folder = str(tmp_path_factory.mktemp('slurm'))
    started = subprocess.run([CLUSTER, 'start', folder], capture_output=True, text=True)
    assert started.returncode == 0, started.stderr
    name, _, value = started.stdout.strip().partition('=')
    environment = {**os.environ, **PATHS, 'OMP_NUM_THREADS': '1', name: value}

    def run(*command: str, **variables: str) -> str:
        return subprocess.run(
            command, cwd=ROOT, env={**environment, **variables}, check=True, text=True,
            timeout=SECONDS, stdout=subprocess.PIPE,
        ).stdout  # fmt: skip

    yield run
    subprocess.run([CLUSTER, 'stop', folder], check=True)


@pytest.fixture(scope='module')
def unbroken(slurm: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> dict:
    """State of a run of two processes by slurm_train.sh that nothing disturbs."""
    folder = tmp_path_factory.mktemp('unbroken')
    settings = dict(GRES='', GPUS='2', GPUS_PER_NODE='2', CPUS_PER_TASK='1')
    command = ('tools/slurm_train.sh', 'low', 'toy', CONFIG, '--work-dir', str(folder))
    slurm(*command, **settings)
    return last_state(folder, 12)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f'{what} does not happen'
        time.sleep(0.3)


def submit(slurm: Callable[..., str], folder: Path) -> str:
    """Submit the template; return the number of the job when it has trained some steps."""
    options = ['--parsable', '--gres=none', '--ntasks-per-node=2', '--cpus-per-task=1']
    options += ['-o', str(folder.with_suffix('.out')), 'tools/slurm_train.sbatch']
    job = slurm('sbatch', *options, CONFIG, '--work-dir', str(folder), TOY_SECONDS='1').strip()
    losses = folder / 'losses.jsonl'
    wait_until(lambda: losses.is_file() and losses.read_text().count('\n') > 7, 'a training')
    return job


def check_end(slurm: Callable[..., str], job: str, folder: Path, unbroken: dict) -> None:
    """Check that a job has been started twice and has ended with the numbers of ``unbroken``."""
    wait_until(lambda: not slurm('squeue', '-h', '-j', job, '-t', 'PD,R,CG').strip(), 'the end')
    shown = slurm('scontrol', 'show', 'job', job)
    assert 'JobState=COMPLETED' in shown
    assert 'Restarts=1 ' in shown
    assert differences(unbroken, last_state(folder, 12)) == []
    assert 'Stopped by SIGTERM after iteration' in folder.with_suffix('.out').read_text()


def test_a_job_that_is_requeued(slurm: Callable[..., str], unbroken: dict, tmp_path: Path) -> None:
    job = submit(slurm, tmp_path / 'run')
    slurm('scontrol', 'requeue', job)
    check_end(slurm, job, tmp_path / 'run', unbroken)


def test_a_job_that_requeues_itself_after_the_signal(
    slurm: Callable[..., str], unbroken: dict, tmp_path: Path
) -> None:
    job = submit(slurm, tmp_path / 'run')
    slurm('scancel', '--signal=TERM', job)  # to the processes, as --signal=TERM@120 does
    check_end(slurm, job, tmp_path / 'run', unbroken)


def test_a_cancelled_job_is_not_queued_again(slurm: Callable[..., str], tmp_path: Path) -> None:
    job = submit(slurm, tmp_path / 'run')
    slurm('scancel', job)
    wait_until(lambda: not slurm('squeue', '-h', '-j', job, '-t', 'PD,R,CG').strip(), 'the end')
    assert 'JobState=CANCELLED' in slurm('scontrol', 'show', 'job', job)
