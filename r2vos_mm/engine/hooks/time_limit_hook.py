"""End training at a wall-clock limit, with a schedule that fits into it."""

import time
from copy import deepcopy

import torch
from mmengine.dist import broadcast
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from r2vos_mm.registry import HOOKS

from .resumed_settings_hook import replay_schedule

_SKIPPED, _MEASURED = 2, 6  # iterations that start up workers and caches; iterations to time
_USABLE = 0.95  # share of the remaining time to plan for, as steps vary


@HOOKS.register_module()
class TimeLimitHook(Hook):
    """End an iteration-based training run after some minutes, as if ``max_iters`` had been reached.

    The iteration during which the limit is passed becomes the last one, so that the final
    checkpoint and the final validation take place. The limit counts from the first iteration of
    this process (a resumed run has the whole limit again) and includes validation, but not the
    final one.

    Args:
        max_minutes: Wall-clock minutes of training.
        interval: Iterations between two looks at the clock; with several processes the first one's
            clock decides, which costs one broadcast per look.
        fit_schedule: Whether to time a few iterations first and, if ``max_iters`` do not fit into
            the limit, to reduce ``max_iters`` to those that do and to scale all parameter
            schedulers that count iterations to that length. Warm-up and decay then end as
            configured, however fast the machine is.

    Raises:
        ValueError: ``max_minutes`` is not positive.
    """

    # Before CheckpointHook (VERY_LOW), which has to see that the iteration is the last one, and
    # before ParamSchedulerHook (LOW), which takes the next step of the schedule.
    priority = 'NORMAL'

    def __init__(
        self, *, max_minutes: float, interval: int = 1, fit_schedule: bool = False
    ) -> None:
        if max_minutes <= 0:
            raise ValueError(f'TimeLimitHook: max_minutes must be positive, got {max_minutes}')
        self.max_minutes = max_minutes
        self.interval = interval
        self.fit_schedule = fit_schedule
        self._start = 0.0
        self._measured_from = 0.0

    def before_train(self, runner: Runner) -> None:
        """Start the clock.

        Raises:
            TypeError: The train loop counts epochs.
        """
        if not isinstance(runner.train_loop, IterBasedTrainLoop):
            raise TypeError('TimeLimitHook needs an IterBasedTrainLoop')
        self._start = time.monotonic()

    def after_train_iter(self, runner: Runner, batch_idx: int, *_: object, **__: object) -> None:
        """Make this iteration the last one when time is up; fit the schedule when it is due."""
        if self.fit_schedule:
            self._measure_and_fit(runner, batch_idx + 1)
        is_last = runner.iter + 1 >= runner.max_iters
        if is_last or not self.every_n_train_iters(runner, self.interval):
            return
        if _of_first_process(time.monotonic() - self._start) >= 60 * self.max_minutes:
            runner.logger.info(
                f'Time limit of {self.max_minutes:g} min reached: iteration {runner.iter + 1} of '
                f'{runner.max_iters} is the last'
            )
            runner.train_loop._max_iters = runner.iter + 1

    def _measure_and_fit(self, runner: Runner, num_done: int) -> None:
        """Time the iterations after the first ones of this process, then fit the schedule once."""
        if num_done == _SKIPPED:
            self._measured_from = time.monotonic()
        if num_done != _SKIPPED + _MEASURED:
            return
        now = time.monotonic()
        seconds = _of_first_process((now - self._measured_from) / _MEASURED)
        left = _of_first_process(_USABLE * (60 * self.max_minutes - (now - self._start)))
        done = runner.iter + 1
        fitting = done + max(1, int(left / max(seconds, 1e-9)))
        runner.logger.info(
            f'{seconds:.2f} s per iteration: {fitting} iterations fit into {self.max_minutes:g} min'
        )
        if fitting < runner.max_iters:
            _scale_schedule(runner, fitting)


def _of_first_process(value: float) -> float:
    """Return the value of rank 0, since clocks differ and all processes must decide alike."""
    shared = torch.tensor(value, dtype=torch.float64)
    broadcast(shared)
    return shared.item()


def _scale_schedule(runner: Runner, max_iters: int) -> None:
    """Shorten training to ``max_iters`` and replay its schedulers, scaled, up to this iteration."""
    factor = max_iters / runner.max_iters
    runner.train_loop._max_iters = max_iters
    configs = deepcopy(runner.cfg.get('param_scheduler'))
    if not configs:
        return
    configs = [configs] if isinstance(configs, dict) else configs
    for config in configs:
        for key in ('begin', 'end', 'T_max'):
            if not config.get('by_epoch', True) and key in config:
                config[key] = round(factor * config[key])
    replay_schedule(runner, configs)
