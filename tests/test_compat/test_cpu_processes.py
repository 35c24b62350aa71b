"""Preparation of several processes without a GPU (they run in tests/test_tools)."""

import os
import subprocess

import pytest
import torch
from mmengine.config import Config

from r2vos_mm.compat import distributed


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Backends of the process groups that would have been initialized."""
    backends: list[str] = []
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(distributed.distributed, 'init_process_group', backends.append)
    return backends


def test_one_process_needs_nothing(started: list[str]) -> None:
    cfg = Config({'launcher': 'none'})
    distributed.prepare_cpu_processes(cfg)
    assert started == []
    assert 'model_wrapper_cfg' not in cfg


def test_gloo_and_no_devices(started: list[str]) -> None:
    cfg = Config({'launcher': 'pytorch', 'find_unused_parameters': True, 'sync_bn': 'torch'})
    distributed.prepare_cpu_processes(cfg)
    assert started == ['gloo']
    assert cfg.sync_bn is None
    assert cfg.model_wrapper_cfg.device_ids is None
    assert cfg.model_wrapper_cfg.find_unused_parameters is True


def test_wrapper_of_the_config_is_kept(started: list[str]) -> None:
    cfg = Config({'launcher': 'pytorch', 'model_wrapper_cfg': {'static_graph': True}})
    distributed.prepare_cpu_processes(cfg)
    assert cfg.model_wrapper_cfg.static_graph is True
    assert cfg.model_wrapper_cfg.type == 'MMDistributedDataParallel'


def test_gpus_are_left_to_mmengine(started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    cfg = Config({'launcher': 'pytorch'})
    distributed.prepare_cpu_processes(cfg)
    assert started == []


def test_mpi_without_gpu(started: list[str]) -> None:
    with pytest.raises(ValueError, match="launcher 'mpi' needs a GPU"):
        distributed.prepare_cpu_processes(Config({'launcher': 'mpi'}))


def test_slurm_without_gpu(started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    step = dict(JOB_ID=10007, PROCID=3, LOCALID=1, NODELIST='node[5-6]', NTASKS=4)
    for name, value in step.items():
        monkeypatch.setenv(f'SLURM_{name}', str(value))
    for name in ('MASTER_ADDR', 'MASTER_PORT', 'RANK', 'LOCAL_RANK', 'WORLD_SIZE'):
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)
    hosts = subprocess.CompletedProcess([], 0, stdout='node5\nnode6\n')
    monkeypatch.setattr(subprocess, 'run', lambda *args, **kwargs: hosts)
    cfg = Config({'launcher': 'slurm'})
    distributed.prepare_cpu_processes(cfg)
    assert started == ['gloo']
    assert cfg.model_wrapper_cfg.device_ids is None
    set_by_it = ('MASTER_ADDR', 'MASTER_PORT', 'RANK', 'LOCAL_RANK', 'WORLD_SIZE')
    assert [os.environ[name] for name in set_by_it] == ['node5', '20007', '3', '1', '4']


def test_slurm_outside_of_a_job(started: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('SLURM_JOB_ID', raising=False)
    with pytest.raises(ValueError, match='SLURM_JOB_ID is not set; use tools/slurm_train.sh'):
        distributed.prepare_cpu_processes(Config({'launcher': 'slurm'}))
