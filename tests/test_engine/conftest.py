"""Fixtures of the tests that run a Runner."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

TOY = Path(__file__).parents[1] / 'toy'


@pytest.fixture(autouse=True)
def _toy_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the toy project importable; leave registries and threads as they were."""
    monkeypatch.setattr(sys, 'path', [str(TOY), *sys.path])
    # It asks git, the compiler and others for their versions, which takes longer than a toy run.
    monkeypatch.setattr(Runner, '_log_env', lambda self, env_cfg: None)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    scopes = dict(DefaultScope._instance_dict)
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(scopes)
    torch.set_num_threads(threads)


@pytest.fixture
def toy_config() -> Config:
    """Config of the toy project."""
    return Config.fromfile(TOY / 'toy_config.py')


@pytest.fixture
def make_runner(toy_config: Config, tmp_path: Path) -> Callable[..., Runner]:
    """Function that builds a Runner of the toy project from changes to its config."""
    count = iter(range(100))

    def make(work_dir: str | Path = 'run', **changes: object) -> Runner:
        cfg = Config(toy_config.to_dict())
        cfg.work_dir = str(tmp_path / work_dir)
        cfg.experiment_name = f'{tmp_path.name}_{next(count)}'
        cfg.merge_from_dict(changes)
        return Runner.from_cfg(cfg)

    return make
