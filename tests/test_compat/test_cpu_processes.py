"""Preparation of several processes without a GPU (they run in tests/test_tools)."""

import pytest
import torch
from mmengine.config import Config

from r2vos_mm.compat import distributed


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Backends of the process groups that would have been initialised."""
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


def test_slurm_without_gpu(started: list[str]) -> None:
    with pytest.raises(ValueError, match="launcher 'slurm' needs a GPU"):
        distributed.prepare_cpu_processes(Config({'launcher': 'slurm'}))
