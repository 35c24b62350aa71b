"""Save a checkpoint and exit when a scheduler preempts the job."""

import signal
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from r2vos_mm.registry import HOOKS
from r2vos_mm.utils.signals import noted_signals

from ..loops import call_after_training
from .checkpoint_hook import SafeCheckpointHook

# How often per validation all ranks exchange whether one got a signal: all wait for the slowest.
_LOOKS = 10


@HOOKS.register_module()
class PreemptionHook(Hook):
    """End a training at the next step after a signal, with a checkpoint of exactly that step.

    The handler only records the signal. After the step, all ranks learn whether one of them has
    received a signal, save one checkpoint together and exit. Resumed with ``--resume``, the run
    continues as if nothing had happened (see ``ExactResumeHook``).

    A validation is interrupted, too, after at most a tenth of it, and the resumed run repeats it. A
    signal during the last step changes nothing: the run ends as usual. With accumulated gradients,
    the run ends after they have been applied. The former handlers are restored however the training
    ends.

    Loader workers ignore the signals while the run is inside
    :func:`r2vos_mm.utils.processes.loader_workers`, as it is in ``r2vos train``. The hook needs an
    iteration-based loop, ``SafeCheckpointHook`` and the main thread; without them, it warns and
    does nothing.

    Args:
        signals: names of signals, such as ``('SIGTERM', 'SIGUSR1')``. Schedulers send SIGTERM
            unless configured otherwise. Without any, the hook does nothing.
        exit_status: status of all ranks, for schedulers that requeue jobs by it. Defaults to
            128 + the number of the signal, 143 for SIGTERM.

    Raises:
        ValueError: ``signals`` names no signal that can be handled, or ``exit_status`` is not in
            1..255.
    """

    # After all other hooks: the checkpoint is that of a finished step.
    priority = 'LOWEST'

    def __init__(
        self, *, signals: Sequence[str] = ('SIGTERM',), exit_status: int | None = None
    ) -> None:
        names = [signals] if isinstance(signals, str) else signals
        self.signals = [_number(name) for name in names]
        if exit_status is not None and not 0 < exit_status < 256:
            raise ValueError(f'PreemptionHook: exit_status={exit_status} is not in 1..255')
        self.exit_status = exit_status
        self._received: list[int] = []
        self._noting = ExitStack()
        self._checkpoint: SafeCheckpointHook | None = None
        self._shared_steps = 0

    def before_run(self, runner: Runner) -> None:
        """Restore the handlers however the training ends."""
        call_after_training(runner, self._restore)

    def _restore(self) -> None:
        self._noting.close()
        self._checkpoint, self._shared_steps = None, 0

    def before_train(self, runner: Runner) -> None:
        """Note signals from now on."""
        if not self.signals:
            return
        hooks = [hook for hook in runner.hooks if isinstance(hook, SafeCheckpointHook)]
        try:
            if not hooks or not isinstance(runner.train_loop, IterBasedTrainLoop):
                raise ValueError('it needs SafeCheckpointHook and an iteration-based train loop')
            self._received = self._noting.enter_context(noted_signals(self.signals))
        except ValueError as error:
            runner.logger.warning(f'PreemptionHook is not active: {error}')
            return
        self._checkpoint = hooks[0]

    def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
        """Leave after this step if one of the ranks has received a signal."""
        if self._checkpoint is None:
            return
        done = runner.iter + 1
        if done >= runner.max_iters or runner.train_loop.stop_training:
            self._received.clear()
        else:
            self._leave_if_signalled(runner, done)

    def before_val_epoch(self, runner: Runner) -> None:
        """Count the validation steps that all ranks have in common."""
        if self._checkpoint is not None:
            self._shared_steps = int(-_greatest(-len(runner.val_dataloader)))

    def after_val_iter(self, runner: Runner, batch_idx: int, *args: Any, **kwargs: Any) -> None:
        """Leave a validation of a training if one of the ranks has received a signal."""
        interval = -(-self._shared_steps // _LOOKS) if get_world_size() > 1 else 1
        if batch_idx < self._shared_steps and (batch_idx + 1) % interval == 0:
            self._leave_if_signalled(runner, runner.iter)

    def _leave_if_signalled(self, runner: Runner, iteration: int) -> None:
        """Exit, on all ranks, with a checkpoint of ``iteration``; else return."""
        accumulated = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if iteration % accumulated and iteration < runner.max_iters:
            return  # a checkpoint holds no gradients
        number = _greatest(max(self._received, default=0))
        if not number:
            return
        path = self._checkpoint.save_now(runner, iteration)
        barrier()  # a rank that ended before rank 0 has written the file would end rank 0 too
        runner.logger.info(
            f'Stopped by {signal.Signals(number).name} after iteration {iteration} of '
            f'{runner.max_iters}; {path} is saved, --resume continues from it'
        )
        raise SystemExit(self.exit_status or 128 + number)


def _number(name: str) -> int:
    number = getattr(signal, str(name), None)
    unusable = (getattr(signal, 'SIGKILL', None), getattr(signal, 'SIGSTOP', None))
    if not isinstance(number, signal.Signals) or number in unusable:
        raise ValueError(f'PreemptionHook: {name!r} is not a signal that can be handled')
    return number


def _greatest(value: int) -> int:
    """Return the greatest of the values of all ranks."""
    shared = torch.tensor(value)
    all_reduce(shared, 'max')
    return int(shared)
