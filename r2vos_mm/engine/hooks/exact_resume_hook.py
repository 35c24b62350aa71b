"""Resume runs exactly, as if they had not been stopped."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch import Tensor
from torch.utils.data import DataLoader

from r2vos_mm.registry import HOOKS

_ENTRY = 'random_states'


class SkippingSampler(Protocol):
    """Sampler whose order of items is a function of its seed, so that it can start anywhere."""

    def skip(self, num_samples: int) -> None:
        """Begin the next iteration after the first ``num_samples`` items of this rank."""


@dataclass(frozen=True)
class RandomState:
    """State of all random generators of one process, in plain types.

    Attributes:
        python: Words of ``random.getstate()``.
        numpy: ``(name, words, position, has_gauss, cached_gaussian)`` of numpy's global generator.
        torch: Bytes of torch's CPU generator.
        cuda: Bytes of the generator of the current GPU, or None without one.
    """

    python: tuple
    numpy: tuple
    torch: Tensor
    cuda: Tensor | None

    @classmethod
    def capture(cls) -> 'RandomState':
        """Return the current state."""
        name, words, *rest = np.random.get_state()
        return cls(
            python=random.getstate(),
            numpy=(name, words.tolist(), *rest),
            torch=torch.get_rng_state(),
            cuda=torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        )

    def restore(self) -> None:
        """Restore the state."""
        random.setstate(self.python)
        name, words, *rest = self.numpy
        np.random.set_state((name, np.asarray(words, dtype=np.uint32), *rest))
        torch.set_rng_state(self.torch.cpu())
        if self.cuda is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.cuda.cpu())


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Save the random states of every rank, and resume at the right place in the data.

    An iteration-based run that is killed and resumed then has bitwise the same losses as an
    uninterrupted one, if items are functions of their index, the sampler has a method
    ``skip(num_samples)`` (see :class:`SkippingSampler`) and the number of processes is the same.
    For a sampler without ``skip`` MMEngine fetches and discards the batches of the past.

    Validation restores the random states, so that a run killed during validation resumes exactly
    too.

    The states are gathered in the stage ``before_checkpoint`` that ``SafeCheckpointHook`` calls on
    every rank; with another checkpoint hook only a single process is supported.
    """

    # After all other hooks: what they draw at the start of a run must come before the restoration.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._gathered: list[dict[str, Any]] | None = None
        self._loaded: list[Mapping[str, Any]] | None = None
        self._num_items: int | None = None
        self._before_validation: RandomState | None = None

    def before_checkpoint(self, runner: Runner) -> None:
        """Gather the states of all ranks; called on every rank.

        During validation, where the best checkpoint is saved, these are the states that training
        continues with.
        """
        state = self._before_validation or RandomState.capture()
        self._gathered = all_gather_object(asdict(state))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add the states to a checkpoint that can be resumed; the best one holds weights only."""
        if 'optimizer' not in checkpoint:
            return
        checkpoint['meta']['num_items'] = len(runner.train_dataloader.dataset)
        if self._gathered is None and get_world_size() == 1:
            self.before_checkpoint(runner)
        if self._gathered is not None:
            checkpoint[_ENTRY] = self._gathered
        self._gathered = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keep the states until training begins."""
        self._loaded = checkpoint.get(_ENTRY)
        self._num_items = checkpoint.get('meta', {}).get('num_items')

    def before_train(self, runner: Runner) -> None:
        """Restore sampler and generators if this run is resumed."""
        if runner.iter == 0:
            return
        for reason in self._reasons_for_inexactness(runner):
            runner.logger.warning(f'Not resumed exactly: {reason}')
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            _advance_data(runner.train_loop)
        if self._loaded is not None and len(self._loaded) == get_world_size():
            RandomState(**self._loaded[get_rank()]).restore()
        self._loaded = None

    def before_val(self, runner: Runner) -> None:
        """Save the states before validation."""
        self._before_validation = RandomState.capture()

    def after_val(self, runner: Runner) -> None:
        """Restore the states after validation."""
        if self._before_validation is not None:
            self._before_validation.restore()
        self._before_validation = None

    def _reasons_for_inexactness(self, runner: Runner) -> Iterator[str]:
        """Yield why this run will differ from an uninterrupted one."""
        if self._loaded is None:
            yield 'the checkpoint holds no random states'
        elif len(self._loaded) != get_world_size():
            writers = f'{len(self._loaded)} processes wrote the checkpoint'
            yield f'{writers}, this run has {get_world_size()}'
        num_items = len(runner.train_dataloader.dataset)
        if self._num_items not in (None, num_items):
            yield f'the training data had {self._num_items} items, now they are {num_items}'
        accumulated = getattr(runner.optim_wrapper, '_accumulative_counts', 1)
        if runner.iter % accumulated:
            yield (
                f'iteration {runner.iter} is not a multiple of the {accumulated} accumulated '
                'gradients, which are not saved; make the checkpoint interval one'
            )


class _AdvancedIterator(_InfiniteDataloaderIterator):
    """Infinite iterator over a dataloader whose sampler is already ``num_skipped`` batches ahead.

    ``IterBasedTrainLoop.run`` calls ``next`` once for each iteration before the checkpoint; these
    calls fetch nothing.
    """

    def __init__(self, dataloader: DataLoader, num_skipped: int) -> None:
        super().__init__(dataloader)
        if self._iterator is None:
            # onedl-mmengine waits for the first batch, but starting draws a random seed.
            self._iterator = iter(dataloader)
        self._num_skipped = num_skipped

    def __next__(self) -> Any:
        if self._num_skipped > 0:
            self._num_skipped -= 1
            return None
        return super().__next__()

    def skip_iter(self, num_iters: int) -> None:
        """Skip nothing more. onedl-mmengine calls this instead of ``next``."""
        self._num_skipped = 0


def _advance_data(loop: IterBasedTrainLoop) -> None:
    """Start the data of ``loop`` after the batches of its past iterations, if the sampler can."""
    loader = loop.dataloader
    if not hasattr(loader.sampler, 'skip') or loader.batch_size is None:
        return
    loader.sampler.skip(loop.iter * loader.batch_size)
    loop.dataloader_iterator = _AdvancedIterator(loader, loop.iter)
