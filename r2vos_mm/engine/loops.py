"""Count training in epochs, clean up after it, and evaluate in mixed precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from mmengine.runner import IterBasedTrainLoop, Runner, TestLoop, ValLoop
from mmengine.runner.base_loop import BaseLoop
from torch.utils.data import DataLoader

from r2vos_mm.registry import LOOPS
from r2vos_mm.utils.precision import log_precision, resolve_precision


@LOOPS.register_module()
class EpochCountedTrainLoop(IterBasedTrainLoop):
    """Iteration-based training whose length is given in epochs.

    Schedules of the field count epochs; an endless sampler, with its exact resuming, counts
    iterations. An epoch is ``len(dataloader)`` iterations: items / (batch size x processes).

    Args:
        runner: the runner.
        dataloader: a dataloader or its config.
        max_epochs: length of the training in epochs.
        val_begin: first epoch that is validated.
        val_interval: epochs between two validations.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        *,
        max_epochs: int,
        val_begin: int = 1,
        val_interval: int = 1,
    ) -> None:
        if isinstance(dataloader, dict):
            dataloader = runner.build_dataloader(dataloader, seed=runner.seed)
        length = len(dataloader)
        super().__init__(
            runner,
            dataloader,
            max_iters=max_epochs * length,
            val_begin=val_begin * length,
            val_interval=val_interval * length,
        )


def call_after_training(runner: Runner, function: Callable[[], None]) -> None:
    """Call ``function`` whenever the train loop ends; after an error MMEngine calls no hook.

    Call it in ``before_run`` of a hook; it does nothing in a run that does not train.
    """
    loop = runner._train_loop  # the property builds it
    if not isinstance(loop, BaseLoop):
        return
    run = loop.run

    @wraps(run)
    def run_and_call() -> Any:
        try:
            return run()
        finally:
            function()

    loop.run = run_and_call


class _AutocastLoop:
    """Run an evaluation loop of MMEngine in a precision that fits the device.

    Args:
        runner: the runner, its model on its device.
        dtype: as in :class:`AutocastOptimWrapper`.
        fp16: accepted from older configs; False turns mixed precision off.
        **kwargs: arguments of the loop.

    Attributes:
        precision: what ``dtype`` resolved to.
    """

    def __init__(
        self,
        runner: Runner,
        *args: object,
        dtype: str = 'auto',
        fp16: bool = True,
        **kwargs: object,
    ) -> None:
        super().__init__(runner, *args, **kwargs)
        self.device = next(runner.model.parameters()).device
        self.precision = resolve_precision(dtype, self.device, mixed_precision=fp16)
        log_precision(self.precision, self.device.type)
        self.fp16 = self.precision.name == 'bfloat16'

    def run(self) -> dict[str, float]:
        """Evaluate, the model in :attr:`precision`."""
        # MMEngine's loop runs the model under autocast with the type that is set outside, which is
        # float16 on a GPU unless it is set here.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=False):
            return super().run()


@LOOPS.register_module()
class AutocastValLoop(_AutocastLoop, ValLoop):
    """Validation in mixed precision: bfloat16 where the device computes it natively."""


@LOOPS.register_module()
class AutocastTestLoop(_AutocastLoop, TestLoop):
    """Test in mixed precision: bfloat16 where the device computes it natively."""
