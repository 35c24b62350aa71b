"""Run several processes on a machine without a GPU, and report when one of them is lost.

Reason: with the launchers ``pytorch`` and ``slurm`` MMEngine's Runner calls
``torch.cuda.set_device`` and wraps the model with ``device_ids=[LOCAL_RANK]``; both need a GPU. It
keeps a process group that is already initialized, and takes the arguments of the wrapper from the
config. Under Slurm it uses port 29500 for every job unless ``MASTER_PORT`` is set, so two jobs on
one machine would collide. Restarts by ``torchrun`` would find addresses of processes that ended.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from torch import distributed
from torch.distributed.rendezvous import rendezvous

from r2vos_mm.utils.cli import UsageError, UserError

_FIRST_PORT, _PORTS = 20000, 10000
_BACKEND_ERROR = getattr(distributed, 'DistError', distributed.DistBackendError)  # from 2.2 on


@contextmanager
def lost_processes() -> Iterator[None]:
    """Report in one line that another process of the group has ended.

    Raises:
        UserError: instead of the error of the backend.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if 'gloo/transport' not in text and not isinstance(error, _BACKEND_ERROR):
            raise
        raise UserError(
            'another process of this run has ended, so the others end too; the error is its own '
            f'({text.splitlines()[0][:200]})'
        ) from error


def prepare_cpu_processes(cfg: Config) -> None:
    """Initialize a gloo process group and set the model wrapper in ``cfg`` if there is no GPU.

    Does nothing if ``cfg.launcher`` is ``'none'``. On a machine with a GPU, it only sets a job's
    own port under Slurm and joins a group that ``torchrun`` has restarted.

    Raises:
        UsageError: launcher ``'mpi'`` without a GPU, or ``'slurm'`` outside a job.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'slurm':
        _join_slurm_step()
    if launcher == 'pytorch' and int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)):
        _join_restarted_group(cfg)
    if launcher == 'none' or torch.cuda.is_available():
        return
    if launcher not in ('pytorch', 'slurm'):
        raise UsageError(
            f'launcher {launcher!r} needs a GPU, and none is visible; use tools/dist_train.sh or '
            'tools/dist_test.sh (launcher "pytorch") for several processes on CPUs'
        )
    if not distributed.is_initialized():
        distributed.init_process_group('gloo')
    cfg.sync_bn = None
    cfg.model_wrapper_cfg = {
        'type': 'MMDistributedDataParallel',
        'broadcast_buffers': False,
        'find_unused_parameters': cfg.get('find_unused_parameters', False),
        **cfg.get('model_wrapper_cfg', {}),
        'device_ids': None,
    }


def _join_restarted_group(cfg: Config) -> None:
    """Initialize the process group of a restart under separate names."""
    if distributed.is_initialized():
        return
    backend = 'gloo'
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ['LOCAL_RANK']))
        backend = ((cfg.get('env_cfg') or {}).get('dist_cfg') or {}).get('backend', 'nccl')
    # All restarts share this store, where a process may find the address of one that has ended.
    store, rank, world_size = next(rendezvous('env://', timeout=distributed.default_pg_timeout))
    restart = f'restart_{os.environ["TORCHELASTIC_RESTART_COUNT"]}'
    distributed.init_process_group(
        backend, store=distributed.PrefixStore(restart, store), rank=rank, world_size=world_size
    )


def _join_slurm_step() -> None:
    """Set the variables of PyTorch's rendezvous that are missing from those that ``srun`` sets."""
    try:
        job, rank, local = (int(os.environ[f'SLURM_{x}']) for x in ('JOB_ID', 'PROCID', 'LOCALID'))
        nodes, tasks = os.environ['SLURM_NODELIST'], os.environ['SLURM_NTASKS']
    except KeyError as error:
        raise UsageError(
            f"launcher 'slurm' needs srun to start the processes, and {error.args[0]} is not set; "
            'use tools/slurm_train.sh or tools/slurm_test.sh'
        ) from None
    if 'MASTER_ADDR' not in os.environ:
        hosts = subprocess.run(
            ['scontrol', 'show', 'hostnames', nodes], capture_output=True, text=True, check=True
        )
        os.environ['MASTER_ADDR'] = hosts.stdout.split()[0]
    # Below the ports that Linux gives to outgoing connections.
    os.environ.setdefault('MASTER_PORT', str(_FIRST_PORT + job % _PORTS))
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(local), WORLD_SIZE=tasks)
