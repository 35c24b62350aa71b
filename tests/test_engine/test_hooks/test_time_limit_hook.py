"""TimeLimitHook ends a run as if max_iters had been reached."""

from collections.abc import Callable
from pathlib import Path

import pytest
from clocks import clock_like
from mmengine.runner import Runner

from r2vos_mm.engine import TimeLimitHook

HOOK = 'r2vos_mm.engine.hooks.time_limit_hook'


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


@pytest.mark.parametrize('seconds', [1.0, 0.5])
def test_schedule_is_scaled_to_the_iterations_that_fit(
    make_runner: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """After 8 iterations of 1 s (0.5 s), 0.95 * (20 s - 8 s (4 s)) leave room for 11 (30) more.

    Of 1,000 iterations with a warm-up of 500, the run then has 19 (38) with a warm-up of 10 (19):
    round(500 * 19 / 1000) = 10 (9.5 rounds to even), round(500 * 38 / 1000) = 19.
    """
    from toy_project import ToyModel

    clock, rates = [0.0], []
    step = ToyModel.train_step

    def timed_step(self: object, *args: object, **kwargs: object) -> dict:
        clock[0] += seconds
        rates.append(kwargs['optim_wrapper'].param_groups[0]['lr'])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(f'{HOOK}.time', clock_like(monotonic=lambda: clock[0]))
    monkeypatch.setattr(ToyModel, 'train_step', timed_step)
    schedule = [
        {'type': 'LinearLR', 'start_factor': 0.1, 'by_epoch': False, 'begin': 0, 'end': 500},
        {'type': 'LinearLR', 'start_factor': 1.0, 'end_factor': 0.1, 'by_epoch': False}
        | {'begin': 500, 'end': 1000},
    ]
    hook = {'type': 'TimeLimitHook', 'max_minutes': 20 / 60, 'fit_schedule': True}
    runner = make_runner(
        custom_hooks=[hook],
        param_scheduler=schedule,
        train_cfg={'max_iters': 1000, 'val_interval': 1000},
        **{'default_hooks.checkpoint.interval': 1000},
    )
    runner.train()
    total, warmup = (19, 10) if seconds == 1.0 else (38, 19)
    assert runner.iter == len(rates) == total
    # From the ninth iteration on the rates are those of the scaled schedule.
    expected = [0.02 * min(1.0, 0.1 + 0.9 * i / (warmup - 1)) for i in range(8, warmup)]
    assert rates[8:warmup] == pytest.approx(expected)
    assert rates[warmup] == pytest.approx(0.02)
    assert rates[-1] == pytest.approx(0.02 * 0.1, rel=1e-6)


def test_a_schedule_that_fits_is_left_alone(make_runner: Callable[..., Runner]) -> None:
    hook = {'type': 'TimeLimitHook', 'max_minutes': 60, 'fit_schedule': True}
    runner = make_runner(custom_hooks=[hook])
    runner.train()
    assert runner.iter == 12
    assert runner.param_schedulers[0].end == 12
