"""TimeLimitHook ends a run as if max_iters had been reached."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.runner import Runner

from r2vos_mm.engine import TimeLimitHook


def test_last_iteration_is_saved_and_validated(
    make_runner: Callable[..., Runner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock advances by 10 s a look: start 0, iterations 1.. see 10, 20, 30 >= 0.4 * 60."""
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(
        'r2vos_mm.engine.hooks.time_limit_hook.time.monotonic', lambda: float(next(clock))
    )
    hooks = [{'type': 'TimeLimitHook', 'max_minutes': 0.4}]
    runner = make_runner('limited', custom_hooks=hooks, **{'train_cfg.val_interval': 100})
    runner.train()
    assert runner.iter == 3
    assert (tmp_path / 'limited' / 'iter_3.pth').is_file()
    assert (tmp_path / 'limited' / 'best_JFR_iter_3.pth').is_file()


def test_enough_time_changes_nothing(make_runner: Callable[..., Runner]) -> None:
    runner = make_runner(custom_hooks=[{'type': 'TimeLimitHook', 'max_minutes': 60}])
    runner.train()
    assert runner.iter == 12


def test_epoch_loops_are_refused(make_runner: Callable[..., Runner]) -> None:
    runner = make_runner(
        custom_hooks=[{'type': 'TimeLimitHook', 'max_minutes': 60}],
        train_cfg={'_delete_': True, 'type': 'EpochBasedTrainLoop', 'max_epochs': 1},
    )
    with pytest.raises(TypeError, match='IterBasedTrainLoop'):
        runner.train()


def test_limit_must_be_positive() -> None:
    with pytest.raises(ValueError, match='max_minutes must be positive, got 0'):
        TimeLimitHook(max_minutes=0)
