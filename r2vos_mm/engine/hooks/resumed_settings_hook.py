"""Compare the settings of a resumed run with those of its checkpoint, and log what differs."""

import warnings
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from r2vos_mm.registry import HOOKS
from r2vos_mm.utils.data_issues import shown
from r2vos_mm.utils.settings import ChangedSetting, changed_settings, read_settings

# What a run computes depends on these parts of a config.
_PARTS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler')
_PARTS += ('auto_scale_lr', 'randomness')
# A checkpoint restores what these set; the second line is about the learning rate.
_RESTORED = ('optim_wrapper.optimizer.', 'optim_wrapper.paramwise_cfg.')
_OF_RATES = ('optim_wrapper.optimizer.lr', 'param_scheduler', 'auto_scale_lr')
_SHOWN = 8


@HOOKS.register_module()
class ResumedSettingsHook(Hook):
    """Warn if a resumed run has other settings than its checkpoint.

    The warnings list the values that the checkpoint overrides and those in effect from now on.

    Args:
        new_schedule: whether the learning rate follows the schedule of the config, as if the run
            had begun with it. By default it follows the schedule of the checkpoint.
    """

    def __init__(self, *, new_schedule: bool = False) -> None:
        self.new_schedule = new_schedule
        self._saved = ''
        self._initial: list[float] = []
        self._schedule: list[dict] = []

    def after_load_checkpoint(self, runner: Runner, checkpoint: Mapping[str, Any]) -> None:
        """Keep the settings of both before the checkpoint restores its own."""
        if runner._resume and isinstance(runner.param_schedulers, list):
            self._saved = str(checkpoint['meta'].get('cfg', ''))
            groups = runner.optim_wrapper.param_groups
            self._initial = [group.get('initial_lr', group['lr']) for group in groups]
            self._schedule = _schedule(runner)

    def before_train(self, runner: Runner) -> None:
        """Log the differences; follow the new schedule if asked to."""
        if runner.iter == 0 or not self._schedule:
            return
        changes = changed_settings(
            {part: read_settings(self._saved).get(part) for part in _PARTS},
            {part: read_settings(runner.cfg.pretty_text).get(part) for part in _PARTS},
        )
        restored = _RESTORED + _OF_RATES
        kept = [change for change in changes if change.name.startswith(restored)]
        if self.new_schedule:
            kept = [change for change in kept if not change.name.startswith(_OF_RATES)]
        used = [change for change in changes if change not in kept]
        if kept:
            runner.logger.warning(f'The checkpoint overrides the config: {_listing(kept)}')
        if used:
            runner.logger.warning(f'New settings from this iteration on: {_listing(used)}')
        if self._schedule != _schedule(runner):
            self._compare_rates(runner)

    def _compare_rates(self, runner: Runner) -> None:
        """Compute the learning rates of the new schedule; keep them or restore the old ones."""
        groups, old = runner.optim_wrapper.param_groups, runner.param_schedulers
        rates = [{key: group[key] for key in ('lr', 'initial_lr')} for group in groups]
        for group, initial in zip(groups, self._initial):
            group['initial_lr'] = initial
        replay_schedule(runner, runner.cfg.param_scheduler)
        texts = [f'{rates[0]["lr"]:.4g} (checkpoint)', f'{groups[0]["lr"]:.4g} (config)']
        if not self.new_schedule:
            runner.param_schedulers = old
            for group, rate in zip(groups, rates):
                group.update(rate)
        runner.logger.warning(
            f'The learning rate at iteration {runner.iter} is {texts[self.new_schedule]}, not '
            f'{texts[not self.new_schedule]}: it follows the schedule of the '
            + ('config' if self.new_schedule else 'checkpoint; --new-schedule follows the config')
        )


def _listing(changes: list[ChangedSetting]) -> str:
    return shown([f'{name} {old!r} -> {new!r}' for name, old, new in changes], _SHOWN)


def _schedule(runner: Runner) -> list[dict]:
    """Return the settings of the schedulers, without their progress."""
    states = [scheduler.state_dict() for scheduler in runner.param_schedulers]
    progress = ('last_step', 'verbose')
    return [
        {key: x for key, x in state.items() if not key.startswith('_') and key not in progress}
        for state in states
    ]


def replay_schedule(runner: Runner, configs: dict | list) -> None:
    """Build the schedulers of ``configs`` and take their steps up to this iteration."""
    for group in runner.optim_wrapper.param_groups:
        group['lr'] = group['initial_lr']
    runner.param_schedulers = runner.build_param_scheduler(deepcopy(configs))
    with warnings.catch_warnings():  # the optimizer has made these steps already
        warnings.filterwarnings('ignore', message='Detected call of `scheduler.step')
        for by_epoch, steps in ((False, runner.iter), (True, runner.epoch)):
            own = [item for item in runner.param_schedulers if item.by_epoch == by_epoch]
            for _ in range(steps):
                for scheduler in own:
                    scheduler.step()
