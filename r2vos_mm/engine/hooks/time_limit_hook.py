"""End training at a wall-clock time."""

import time

import torch
from mmengine.dist import broadcast
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from r2vos_mm.registry import HOOKS


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

    Raises:
        ValueError: ``max_minutes`` is not positive.
    """

    # Before CheckpointHook (VERY_LOW), which has to see that the iteration is the last one.
    priority = 'NORMAL'

    def __init__(self, *, max_minutes: float, interval: int = 1) -> None:
        if max_minutes <= 0:
            raise ValueError(f'TimeLimitHook: max_minutes must be positive, got {max_minutes}')
        self.max_minutes = max_minutes
        self.interval = interval
        self._start = 0.0

    def before_train(self, runner: Runner) -> None:
        """Start the clock.

        Raises:
            TypeError: the train loop counts epochs.
        """
        if not isinstance(runner.train_loop, IterBasedTrainLoop):
            raise TypeError('TimeLimitHook needs an IterBasedTrainLoop')
        self._start = time.monotonic()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Make this iteration the last one when time is up."""
        is_last = runner.iter + 1 >= runner.max_iters
        if is_last or not self.every_n_train_iters(runner, self.interval):
            return
        expired = torch.tensor(float(time.monotonic() - self._start >= 60 * self.max_minutes))
        broadcast(expired)
        if expired.item():
            runner.logger.info(
                f'Time limit of {self.max_minutes:g} min reached: iteration {runner.iter + 1} of '
                f'{runner.max_iters} is the last'
            )
            runner.train_loop._max_iters = runner.iter + 1
