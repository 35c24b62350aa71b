"""A training that is signalled leaves with a checkpoint, and ends like one that was left alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from run_states import differences, final_state, last_state

from r2vos_mm.engine import PreemptionHook, build_runner, read_config
from r2vos_mm.refshapes import make_refshapes
from r2vos_mm.registry import HOOKS
from r2vos_mm.utils.checkpoint import read_checkpoint

ROOT = Path(__file__).parents[3]
CLI = [sys.executable, 'tools/train.py', 'tests/toy/toy_config.py']
TOY_HOOK = {'type': 'ToyHook'}


@HOOKS.register_module(force=True)
class SignalHook(Hook):
    """Send a signal to this process during some steps.

    Args:
        iterations: training steps, counted from 1.
        validations: validation steps, counted from 1 over the run.
        number: the signal.
    """

    def __init__(
        self,
        *,
        iterations: tuple[int, ...] = (),
        validations: tuple[int, ...] = (),
        number: int = signal.SIGTERM,
    ) -> None:
        self.iterations, self.validations, self.number = iterations, validations, number
        self.validated = 0

    def before_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        if runner.iter + 1 in self.iterations:
            os.kill(os.getpid(), self.number)

    def before_val_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        self.validated += 1
        if self.validated in self.validations:
            os.kill(os.getpid(), self.number)


@pytest.fixture(autouse=True)
def _handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    yield
    assert signal.getsignal(signal.SIGTERM) == before


def preempt(runner: Runner, *, status: int = 143) -> None:
    with pytest.raises(SystemExit) as stopped:
        runner.train()
    assert stopped.value.code == status


def test_three_signals_change_nothing(make_runner: Callable[..., Runner], tmp_path: Path) -> None:
    """In a step before the first checkpoint, in a validation, and in a step of a later one."""
    make_runner('unbroken').train()
    lives = [dict(iterations=(2,)), dict(validations=(3,)), dict(iterations=(9,))]
    left = []
    for life in lives:
        hooks = [TOY_HOOK, dict(type='SignalHook', **life)]
        preempt(make_runner('run', resume=True, custom_hooks=hooks))
        left.append((tmp_path / 'run' / 'last_checkpoint').read_text().rpartition('/')[2])
    make_runner('run', resume=True).train()
    assert left == ['iter_2.pth', 'iter_8.pth', 'iter_9.pth']
    first, second = (last_state(tmp_path / name, 12) for name in ('unbroken', 'run'))
    assert len(first['losses']) == 12
    assert 'random_states' in first['checkpoint']
    assert differences(first, second) == []


def test_a_signal_in_the_last_step_changes_nothing(
    make_runner: Callable[..., Runner], tmp_path: Path
) -> None:
    make_runner('unbroken').train()
    hooks = [TOY_HOOK, dict(type='SignalHook', iterations=(12,))]
    make_runner('run', custom_hooks=hooks).train()
    assert differences(*(final_state(tmp_path / name) for name in ('unbroken', 'run'))) == []


def test_a_step_that_was_saved_is_not_saved_again(
    make_runner: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    saved = []
    save = Runner.save_checkpoint
    monkeypatch.setattr(
        Runner,
        'save_checkpoint',
        lambda *args, **kwargs: saved.append(args[2]) or save(*args, **kwargs),
    )
    preempt(make_runner(custom_hooks=[TOY_HOOK, dict(type='SignalHook', iterations=(3,))]))
    assert saved == ['iter_3.pth']


def test_accumulated_gradients_are_applied_first(
    make_runner: Callable[..., Runner], tmp_path: Path
) -> None:
    hooks = [TOY_HOOK, dict(type='SignalHook', iterations=(4,))]
    preempt(make_runner(custom_hooks=hooks, **{'optim_wrapper.accumulative_counts': 5}))
    assert (tmp_path / 'run' / 'iter_5.pth').is_file()


def test_signals_and_status_are_settings(
    make_runner: Callable[..., Runner], tmp_path: Path
) -> None:
    hooks = [TOY_HOOK, dict(type='SignalHook', iterations=(2,), number=signal.SIGUSR1)]
    hook = dict(type='PreemptionHook', signals=['SIGUSR1'], exit_status=75)
    preempt(make_runner(custom_hooks=hooks, **{'default_hooks.preemption': hook}), status=75)
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert 'Stopped by SIGUSR1 after iteration 2 of 12' in log


@pytest.mark.parametrize('stage', ['before_train', 'before_train_iter', 'before_val_iter'])
def test_the_handler_is_restored_after_an_error(
    make_runner: Callable[..., Runner], stage: str
) -> None:
    """Hooks with a stage at the end of a run are not called then."""

    def fail(*args: object, **kwargs: object) -> None:
        noted.append(signal.getsignal(signal.SIGTERM))
        raise ArithmeticError

    runner, noted, hook = make_runner(), [], Hook()
    setattr(hook, stage, fail)
    runner.register_hook(hook, 'LOWEST')
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ArithmeticError):
        runner.train()
    assert noted != [before]
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'signals': ('TERM',)}, "'TERM' is not a signal"),
        ({'signals': 'SIGKILL'}, "'SIGKILL' is not a signal that can be handled"),
        ({'signals': ('SIG_DFL',)}, "'SIG_DFL' is not a signal"),
        ({'exit_status': 0}, r'exit_status=0 is not in 1\.\.255'),
    ],
)
def test_wrong_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PreemptionHook(**settings)


def test_epochs_are_not_left_in_between(make_runner: Callable[..., Runner], tmp_path: Path) -> None:
    sampler = dict(_delete_=True, type='DefaultSampler', shuffle=False)
    changes = {'train_dataloader.sampler': sampler, 'val_cfg': None, 'val_dataloader': None}
    changes |= {'val_evaluator': None, 'default_hooks.checkpoint.save_best': None}
    runner = make_runner(train_cfg=dict(_delete_=True, by_epoch=True, max_epochs=1), **changes)
    runner.train()
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert 'PreemptionHook is not active: it needs SafeCheckpointHook and an iteration' in log


def wait_for_steps(folder: Path, count: int) -> None:
    end = time.monotonic() + 60
    losses = folder / 'losses.jsonl'
    while not losses.is_file() or losses.read_text().count('\n') < count:
        assert time.monotonic() < end, 'the training does not start'
        time.sleep(0.02)


@pytest.mark.slow
def test_all_processes_are_signalled(tmp_path: Path) -> None:
    """As by a scheduler: the loader workers ignore it, the run leaves with a checkpoint."""
    options = ['train_cfg.max_iters=100000', 'train_cfg.val_interval=100000']
    workers = ['train_dataloader.num_workers=2', 'train_dataloader.persistent_workers=True']
    process = subprocess.Popen(
        [*CLI, '--work-dir', str(tmp_path), '--cfg-options', *options, *workers],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': f'tests/toy{os.pathsep}.'},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for_steps(tmp_path, 3)
    os.killpg(process.pid, signal.SIGTERM)
    message = process.communicate(timeout=30)[1]
    assert process.returncode == 143, message
    assert 'error' not in message
    done = (tmp_path / 'losses.jsonl').read_text().count('\n')
    assert read_checkpoint(tmp_path / f'iter_{done}.pth')['meta']['iter'] == done


@pytest.fixture(scope='module')
def refshapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('data') / 'refshapes'
    make_refshapes(
        root, splits=dict(train=4, valid=2), size=(64, 64), length=3, progress=False, workers=1
    )
    return root


def train_tiny(data: Path, folder: Path, *signalled: int) -> None:
    """Train the small R2-VOS model for four steps; it is signalled during some of them."""
    parts = {f'{part}_dataloader.dataset.data_root': str(data) for part in ('train', 'val', 'test')}
    options = {
        'train_dataloader.num_workers': 0,
        'train_dataloader.persistent_workers': False,
        'train_dataloader.batch_size': 1,
        'train_cfg.max_iters': 4,
        'train_cfg.val_interval': 100,
        'default_hooks.checkpoint.save_best': None,
        'custom_hooks': [dict(type='SignalHook', iterations=signalled)],
        'val_cfg': None,
        'val_dataloader': None,
        'val_evaluator': None,
        'resume': True,
        'work_dir': str(folder),
    }
    cfg = read_config(ROOT / 'configs' / 'r2vos_tiny_refshapes.py', parts)
    cfg.merge_from_dict(options)
    cfg.experiment_name = f'{folder.name}_{len(list(folder.glob("*.pth")))}_{signalled}'
    build_runner(cfg, training=True).train()


@pytest.mark.slow
def test_a_small_r2vos_model(refshapes: Path, tmp_path: Path) -> None:
    train_tiny(refshapes, tmp_path / 'unbroken')
    for iteration in (1, 2, 3):
        with pytest.raises(SystemExit):
            train_tiny(refshapes, tmp_path / 'run', iteration)
    train_tiny(refshapes, tmp_path / 'run')
    first, second = (
        read_checkpoint(tmp_path / name / 'iter_4.pth') for name in ('unbroken', 'run')
    )
    for key in ('state_dict', 'optimizer', 'param_schedulers', 'random_states'):
        assert differences(first[key], second[key]) == []
    losses = [c['message_hub']['log_scalars']['train/loss']['values'] for c in (first, second)]
    assert torch.equal(*losses)
    assert len(losses[0]) == 4
