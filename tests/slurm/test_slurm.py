"""Jobs on a Slurm cluster of one node that is set up on this machine: preempted, tested, labelled.

``R2VOS_SLURM=1`` runs these tests, as root, with Slurm and MUNGE installed; they take minutes.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clocks import wait_until
from run_states import differences, last_state
from small_collection import CONFIG_OPTIONS, failures_of, rows_of, write_manifest

ROOT = Path(__file__).parents[2]
CLUSTER = str(Path(__file__).with_name('cluster.sh'))
CONFIG = 'tests/toy/toy_config.py'
MISSING = [name for name in ('slurmctld', 'slurmd', 'munged', 'sbatch') if not shutil.which(name)]
pytestmark = [
    pytest.mark.skipif(os.environ.get('R2VOS_SLURM') != '1', reason='R2VOS_SLURM=1 runs it'),
    pytest.mark.skipif(bool(MISSING), reason=f'Slurm is not installed: {", ".join(MISSING)}'),
    pytest.mark.skipif(not hasattr(os, 'geteuid') or os.geteuid() != 0, reason='needs root'),
]
ON_CPUS = dict(GRES='', GPUS='2', GPUS_PER_NODE='2', CPUS_PER_TASK='1')
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
def trained(slurm: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Work folder of a run of two processes by slurm_train.sh that nothing disturbs."""
    folder = tmp_path_factory.mktemp('unbroken')
    command = ('tools/slurm_train.sh', 'low', 'toy', CONFIG, '--work-dir', str(folder))
    slurm(*command, **ON_CPUS)
    return folder


@pytest.fixture(scope='module')
def unbroken(trained: Path) -> dict:
    """State at the end of that run."""
    return last_state(trained, 12)


def submit(slurm: Callable[..., str], folder: Path, *options: str, **variables: str) -> str:
    """Submit the template; return the number of the job when it has trained some steps."""
    options = ('--parsable', '--gres=none', '--ntasks-per-node=2', '--cpus-per-task=1', *options)
    command = ('sbatch', *options, '-o', str(folder.with_suffix('.out')))
    command += ('tools/slurm_train.sbatch', CONFIG, '--work-dir', str(folder))
    job = slurm(*command, **dict(TOY_SECONDS='1') | variables).strip()
    losses = folder / 'losses.jsonl'
    wait_until(
        lambda: losses.is_file() and losses.read_text().count('\n') > 7, seconds=SECONDS, step=0.3
    )
    return job


def wait_for_end(slurm: Callable[..., str], job: str) -> str:
    """Wait until a job has ended; return what Slurm says of it."""
    ends = re.compile('JobState=(COMPLETED|FAILED|CANCELLED|TIMEOUT) ')
    wait_until(
        lambda: ends.search(slurm('scontrol', 'show', 'job', job)), seconds=SECONDS, step=0.3
    )
    return slurm('scontrol', 'show', 'job', job)


def check_end(slurm: Callable[..., str], job: str, folder: Path, unbroken: dict) -> None:
    """Check that a job has been started again and has ended with the numbers of ``unbroken``."""
    shown = wait_for_end(slurm, job)
    assert 'JobState=COMPLETED' in shown
    assert 'Restarts=0 ' not in shown
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


def test_a_job_at_its_time_limit(slurm: Callable[..., str], unbroken: dict, tmp_path: Path) -> None:
    """Twelve steps of 9 seconds take longer than it; the signal comes up to 90 seconds before."""
    options = ('--time=2', '--signal=TERM@30')
    job = submit(slurm, tmp_path / 'run', *options, TOY_SECONDS='9')
    check_end(slurm, job, tmp_path / 'run', unbroken)


def test_a_job_of_another_partition_comes_first(
    slurm: Callable[..., str], unbroken: dict, tmp_path: Path
) -> None:
    """It needs all CPUs, so that Slurm stops the training and queues it again."""
    job = submit(slurm, tmp_path / 'run')
    other = slurm('sbatch', '--parsable', '-p', 'high', '--ntasks=4', '-o', '/dev/null',
                  '--wrap', 'sleep 3').strip()  # fmt: skip
    check_end(slurm, job, tmp_path / 'run', unbroken)
    assert 'JobState=COMPLETED' in slurm('scontrol', 'show', 'job', other)


def test_restarts_are_limited(slurm: Callable[..., str], tmp_path: Path) -> None:
    job = submit(slurm, tmp_path / 'run', MAX_RESTARTS='0')
    slurm('scancel', '--signal=TERM', job)
    shown = wait_for_end(slurm, job)
    assert 'JobState=FAILED' in shown
    assert 'Restarts=0 ' in shown
    assert 'not queued again after 0 restarts' in (tmp_path / 'run.out').read_text()


def test_a_cancelled_job_is_not_queued_again(slurm: Callable[..., str], tmp_path: Path) -> None:
    job = submit(slurm, tmp_path / 'run')
    slurm('scancel', job)
    assert 'JobState=CANCELLED' in wait_for_end(slurm, job)


def test_testing(slurm: Callable[..., str], trained: Path, tmp_path: Path) -> None:
    """Two processes of slurm_test.sh give the scores of one process."""
    command = (CONFIG, str(trained / 'iter_12.pth'), '--work-dir', str(tmp_path), '--out')
    slurm('tools/slurm_test.sh', 'low', 'toy', *command, str(tmp_path / 'two.json'), **ON_CPUS)
    slurm(sys.executable, 'tools/test.py', *command, str(tmp_path / 'one.json'))
    one, two = (json.loads((tmp_path / f'{n}.json').read_text()) for n in ('one', 'two'))
    assert one == two


def test_a_collection(slurm: Callable[..., str], tmp_path: Path) -> None:
    """Two processes of srun give the rows of one process."""
    line = [sys.executable, '-m', 'r2vos_mm.cli', 'predict', '--model', 'r2vos_tiny']
    line += ['--frames-per-pass', '8', '--max-frames', '40', '--device', 'cpu']
    line += ['--manifest', str(write_manifest(tmp_path)), *CONFIG_OPTIONS, '--out']
    slurm(*line, str(tmp_path / 'one'))
    slurm('srun', '-p', 'low', '--ntasks=2', *line, str(tmp_path / 'two'), '--engine', 'slurm')
    assert rows_of(tmp_path / 'two') == rows_of(tmp_path / 'one')
    assert failures_of(tmp_path / 'two') == failures_of(tmp_path / 'one')
