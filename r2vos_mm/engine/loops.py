"""Training loops."""

from __future__ import annotations

from mmengine.runner import IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from r2vos_mm.registry import LOOPS


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
