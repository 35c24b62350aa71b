"""Log the first iterations of a training, and evaluations every few seconds."""

import time
from typing import Any

from mmengine.hooks import LoggerHook
from mmengine.runner import Runner

from r2vos_mm.registry import HOOKS


@HOOKS.register_module()
class ProgressLoggerHook(LoggerHook):
    """MMEngine's ``LoggerHook``, which also shows early that a run works and how long it will take.

    Training logs its first and tenth iteration in this process besides every ``interval``-th.
    Validation and test log their first batch and then a line about every ``seconds`` seconds, with
    the time left, instead of every ``interval``-th batch.

    Args:
        early: iterations of this process that are logged in addition.
        seconds: between two lines of an evaluation.
        **kwargs: Arguments of ``mmengine.hooks.LoggerHook``.
    """

    def __init__(
        self, *, early: tuple[int, ...] = (1, 10), seconds: float = 10.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.early = tuple(early)
        self.seconds = seconds
        self._trained = 0
        self._shown = 0.0
        self._is_training = False

    def _before_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, mode: str = 'train'
    ) -> None:
        self._is_training = mode == 'train'

    def every_n_inner_iters(self, batch_idx: int, n: int) -> bool:
        """Return whether to log a batch: in training by its number, in evaluations by the clock."""
        if self._is_training:
            self._trained += 1
            return self._trained in self.early or super().every_n_inner_iters(batch_idx, n)
        now = time.monotonic()
        is_due = batch_idx == 0 or now - self._shown >= self.seconds
        if is_due:
            self._shown = now
        return is_due
