"""Sample items with their epoch, from the start or from the middle of training."""

import itertools
from collections.abc import Iterator, Sized

import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from r2vos_mm.registry import DATA_SAMPLERS


class EpochIndex(int):
    """An index with its epoch, which persistent workers would not know otherwise.

    ``ConcatDataset`` subtracts the offset of a part and ``RepeatDataset`` takes the remainder
    before they pass an index on; both keep epoch and origin.

    Attributes:
        epoch: epoch of the draw, from 0.
        origin: the drawn index, before any wrapper; random draws depend on (seed, epoch, origin).

    >>> index = EpochIndex(7, epoch=2)
    >>> inner = index - 5
    >>> inner, inner.epoch, inner.origin
    (2, 2, 7)
    """

    epoch: int
    origin: int

    def __new__(cls, value: int, epoch: int = 0, origin: int | None = None) -> 'EpochIndex':
        index = super().__new__(cls, value)
        index.epoch = epoch
        index.origin = int(value) if origin is None else origin
        return index

    def __getnewargs__(self) -> tuple[int, int, int]:
        return int(self), self.epoch, self.origin

    def __sub__(self, other: int) -> 'EpochIndex':
        return EpochIndex(int(self) - int(other), self.epoch, self.origin)

    def __mod__(self, other: int) -> 'EpochIndex':
        return EpochIndex(int(self) % int(other), self.epoch, self.origin)


def epoch_order(size: int, *, seed: int, epoch: int, shuffle: bool) -> list[int]:
    """Return the order of ``size`` items in an epoch: a permutation drawn from ``seed + epoch``."""
    if not shuffle:
        return list(range(size))
    generator = torch.Generator().manual_seed(seed + epoch)
    return torch.randperm(size, generator=generator).tolist()


@DATA_SAMPLERS.register_module()
class ClipSampler(Sampler):
    """Endless stream of :class:`EpochIndex`, for iteration-based training.

    Epochs follow each other without a gap; of W processes, process r takes positions r, r + W,
    r + 2W, ... They determine item and epoch, so a run resumed by :meth:`skip` gets the same items.

    Args:
        dataset: the dataset, or a wrapper of datasets.
        shuffle: permute every epoch; otherwise keep the order of the dataset.
        seed: seed of the permutations. Defaults to one random seed for all processes.
    """

    def __init__(self, dataset: Sized, *, shuffle: bool = True, seed: int | None = None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.size = len(dataset)
        if self.size == 0:
            raise ValueError('the dataset is empty: nothing to sample')
        self.shuffle = shuffle
        self.seed = sync_random_seed() if seed is None else seed
        self.start = 0

    def skip(self, num_samples: int) -> None:
        """Start iterators created from now on after the first ``num_samples`` items.

        Args:
            num_samples: items that *this* process has used in training so far.
        """
        if num_samples < 0:
            raise ValueError(f'num_samples must not be negative, got {num_samples}')
        self.start = num_samples

    def __iter__(self) -> Iterator[EpochIndex]:
        order, order_epoch = [], -1
        for position in itertools.count(self.rank + self.start * self.world_size, self.world_size):
            epoch, offset = divmod(position, self.size)
            if epoch != order_epoch:
                order = epoch_order(self.size, seed=self.seed, epoch=epoch, shuffle=self.shuffle)
                order_epoch = epoch
            yield EpochIndex(order[offset], epoch)

    def __len__(self) -> int:
        """Return the items of one epoch for this process, rounded up, as ``len(dataloader)``."""
        return -(-self.size // self.world_size)


@DATA_SAMPLERS.register_module()
class EpochClipSampler(DefaultSampler):
    """MMEngine's ``DefaultSampler`` whose indices have their epoch, for epoch-based training."""

    def __iter__(self) -> Iterator[EpochIndex]:
        indices = super().__iter__()
        return (EpochIndex(index, self.epoch) for index in indices)
