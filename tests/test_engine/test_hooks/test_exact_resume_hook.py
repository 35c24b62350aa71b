"""Killing and resuming a run changes none of its losses."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from r2vos_mm.engine.hooks.exact_resume_hook import RandomState
from r2vos_mm.utils.checkpoint import read_checkpoint

ROOT = Path(__file__).parents[3]


def losses(work_dir: Path) -> dict[int, str]:
    """Last loss written for every iteration, as exact hexadecimal."""
    lines = (work_dir / 'losses.jsonl').read_text().splitlines()
    return {record['iter']: record['loss'] for record in map(json.loads, lines)}


def train_until_killed(work_dir: Path, iteration: int) -> None:
    """Run tools/train.py on the toy project until it kills itself with SIGKILL."""
    result = subprocess.run(
        [sys.executable, 'tools/train.py', 'tests/toy/toy_config.py', '--work-dir', str(work_dir)],
        cwd=ROOT,
        env={**os.environ, 'TOY_KILL_AT': str(iteration), 'PYTHONPATH': f'tests/toy{os.pathsep}.'},
        capture_output=True,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr.decode()


@pytest.mark.slow
@pytest.mark.parametrize('killed_at', [8])
def test_killed_run_ends_like_unbroken_run(
    make_runner: Callable[..., Runner], tmp_path: Path, killed_at: int
) -> None:
    make_runner('unbroken').train()
    train_until_killed(tmp_path / 'killed', killed_at)
    assert max(losses(tmp_path / 'killed')) == killed_at
    make_runner('killed', resume=True).train()
    assert losses(tmp_path / 'killed') == losses(tmp_path / 'unbroken')
    assert len(losses(tmp_path / 'killed')) == 12
    first, second = (
        read_checkpoint(tmp_path / name / 'iter_12.pth')['state_dict']
        for name in ('unbroken', 'killed')
    )
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize('last', [3, 4, 6, 9])
def test_resume_from_every_checkpoint(
    make_runner: Callable[..., Runner], tmp_path: Path, last: int
) -> None:
    """4 is saved during validation, since its score is the best so far; 6 and 9 are not."""
    make_runner('unbroken', **{'default_hooks.checkpoint.max_keep_ckpts': -1}).train()
    checkpoint = tmp_path / 'unbroken' / f'iter_{last}.pth'
    make_runner('resumed', resume=True, load_from=str(checkpoint)).train()
    resumed = losses(tmp_path / 'resumed')
    assert sorted(resumed) == list(range(last + 1, 13))
    assert resumed.items() <= losses(tmp_path / 'unbroken').items()


def test_resume_with_workers_and_accumulation(
    make_runner: Callable[..., Runner], tmp_path: Path
) -> None:
    changes = {
        'train_dataloader.num_workers': 1,
        'train_dataloader.persistent_workers': True,
        'optim_wrapper.accumulative_counts': 3,
        'val_cfg': None,
        'val_dataloader': None,
        'val_evaluator': None,
        'default_hooks.checkpoint.save_best': None,
        'default_hooks.checkpoint.max_keep_ckpts': -1,
    }
    make_runner('unbroken', **changes).train()
    checkpoint = str(tmp_path / 'unbroken' / 'iter_6.pth')
    make_runner('resumed', resume=True, load_from=checkpoint, **changes).train()
    assert losses(tmp_path / 'resumed').items() <= losses(tmp_path / 'unbroken').items()


def test_resume_fetches_no_past_batches(
    make_runner: Callable[..., Runner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_runner('unbroken').train()
    toy_project = sys.modules['toy_project']
    fetched = []
    original = toy_project.ToyDataset.__getitem__
    monkeypatch.setattr(
        toy_project.ToyDataset,
        '__getitem__',
        lambda self, index: fetched.append((self.size, int(index))) or original(self, index),
    )
    checkpoint = str(tmp_path / 'unbroken' / 'iter_9.pth')
    make_runner('resumed', resume=True, load_from=checkpoint).train()
    # Three iterations of two items are left.
    assert sum(size == 10 for size, _ in fetched) == 6


def test_inexact_resume_is_said(
    make_runner: Callable[..., Runner], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_runner('unbroken', **{'default_hooks.exact_resume.type': 'ToyHook'}).train()
    checkpoint = str(tmp_path / 'unbroken' / 'iter_9.pth')
    make_runner('resumed', resume=True, load_from=checkpoint).train()
    log = next((tmp_path / 'resumed').glob('*/*.log')).read_text()
    assert 'Not resumed exactly: the checkpoint holds no random states' in log


def test_other_data_is_said(make_runner: Callable[..., Runner], tmp_path: Path) -> None:
    make_runner('unbroken').train()
    checkpoint = str(tmp_path / 'unbroken' / 'iter_12.pth')
    changes = {'train_dataloader.dataset.size': 9}
    make_runner('resumed', resume=True, load_from=checkpoint, **changes).train()
    log = next((tmp_path / 'resumed').glob('*/*.log')).read_text()
    assert 'Not resumed exactly: the training data had 10 items, now they are 9' in log
    assert 'New settings from this iteration on: train_dataloader.dataset.size None -> 9' in log


def test_hooks_of_a_users_config_leave_it_in_place() -> None:
    cfg = Config.fromfile(ROOT / 'configs' / 'r2vos_r50.py')
    cfg.merge_from_dict({'custom_hooks': [{'type': 'EMAHook'}]})
    assert 'ExactResumeHook' in [hook['type'] for hook in cfg.default_hooks.values()]


def test_random_state_round_trip() -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), np.random.rand(), torch.rand(()).item()

    state = RandomState.capture()
    first = draw()
    state.restore()
    assert draw() == first
