"""A resumed run names the settings that differ from those of its checkpoint."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.runner import Runner

SCHEDULE = 'param_scheduler'


@pytest.fixture
def resume(make_runner: Callable[..., Runner], tmp_path: Path) -> Callable[..., tuple[Runner, str]]:
    """Function that resumes a run of 12 iterations with changes; gives the runner and its log."""
    make_runner('run').train()

    def resumed(**changes: object) -> tuple[Runner, str]:
        checkpoint = str(tmp_path / 'run' / 'iter_12.pth')
        runner = make_runner('more', resume=True, load_from=checkpoint, **changes)
        runner.train()
        return runner, next((tmp_path / 'more').glob('*/*.log')).read_text()

    return resumed


def linear(end: int) -> dict:
    """Learning rate from 0.002 to 0.02 over ``end`` iterations."""
    return {SCHEDULE: [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=end)]}


def test_nothing_is_said_about_equal_settings(resume: Callable) -> None:
    _, log = resume(**{'train_dataloader.num_workers': 0})
    assert 'overrides the config' not in log
    assert 'New settings' not in log
    assert 'learning rate at' not in log


@pytest.mark.parametrize('new', [False, True])
def test_longer_schedule(resume: Callable, new: bool) -> None:
    """At iteration 12 the old schedule is at its end, 0.02; the new one has 12 of 24 - 1 steps."""
    hook = {'default_hooks.resumed_settings.new_schedule': new}
    runner, log = resume(**linear(24), **hook, **{'train_cfg.max_iters': 14})
    halfway = 0.002 + 0.018 * 12 / 23
    kept, other = ('0.01139', '0.02') if new else ('0.02', '0.01139')
    assert f'learning rate at iteration 12 is {kept} (' in log
    assert f'not {other} (' in log
    assert 'New settings from this iteration on: train_cfg.max_iters 12 -> 14' in log or new
    assert ('param_scheduler.0.end 12 -> 24' in log.partition('overrides')[2]) is not new
    expected = halfway + 0.018 * 2 / 23 if new else 0.02
    assert runner.optim_wrapper.param_groups[0]['lr'] == pytest.approx(expected)


def test_settings_of_the_optimizer_and_the_data(resume: Callable) -> None:
    runner, log = resume(
        **{
            'optim_wrapper.optimizer.lr': 0.01,
            'optim_wrapper.optimizer.weight_decay': 0.5,
            'train_dataloader.batch_size': 5,
            'randomness.seed': 7,
        }
    )
    kept = 'optim_wrapper.optimizer.lr 0.02 -> 0.01, optim_wrapper.optimizer.weight_decay None -> '
    assert f'The checkpoint overrides the config: {kept}0.5' in log
    used = 'randomness.seed 0 -> 7, train_dataloader.batch_size 2 -> 5'
    assert f'New settings from this iteration on: {used}' in log
    assert 'is 0.02 (checkpoint), not 0.01 (config)' in log
    assert runner.optim_wrapper.param_groups[0]['weight_decay'] == 0.01  # the default of AdamW
