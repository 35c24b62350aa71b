"""Log the first iterations of a training, and evaluations every few seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.hooks import LoggerHook
from mmengine.runner import Runner

from r2vos_mm.registry import HOOKS


@HOOKS.register_module()
class ProgressLoggerHook(LoggerHook):
    """MMEngine's ``LoggerHook``, which also shows early that a run works and how long it will take.

    Training logs its first and tenth iteration in this process besides every ``interval``-th.
    Validation and test log their first batch and then a line about every ``seconds`` seconds, with
    the time left, in place of every ``interval``-th batch.

    Args:
        early: iterations of this process that are logged besides.
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

    def after_train_iter(self, runner: Runner, batch_idx: int, **kwargs: Any) -> None:
        """Log early iterations and every ``interval``-th."""
        self._trained += 1
        with self._interval_of(1 if self._trained in self.early else self.interval):
            super().after_train_iter(runner, batch_idx, **kwargs)

    def after_val_iter(self, runner: Runner, batch_idx: int, **kwargs: Any) -> None:
        """Log the first batch, and others if the last line is some seconds old."""
        if self._is_due(batch_idx):
            with self._interval_of(1):
                super().after_val_iter(runner, batch_idx, **kwargs)

    def after_test_iter(self, runner: Runner, batch_idx: int, **kwargs: Any) -> None:
        """Log the first batch, and others if the last line is some seconds old."""
        if self._is_due(batch_idx):
            with self._interval_of(1):
                super().after_test_iter(runner, batch_idx, **kwargs)

    def _is_due(self, batch_idx: int) -> bool:
        now = time.monotonic()
        is_due = batch_idx == 0 or now - self._shown >= self.seconds
        if is_due:
            self._shown = now
        return is_due

    @contextmanager
    def _interval_of(self, iterations: int) -> Iterator[None]:
        before, self.interval = self.interval, iterations
        try:
            yield
        finally:
            self.interval = before
