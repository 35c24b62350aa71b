"""Samplers that know the epoch and can start anywhere."""

import copy
import doctest
import pickle
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import ConcatDataset, RepeatDataset

from r2vos_mm.datasets import ClipSampler, EpochClipSampler, EpochIndex, R2VOSDataset, samplers


def stream(
    size: int, count: int, *, rank: int = 0, world: int = 1, skipped: int = 0, seed: int = 3
) -> list[tuple[int, int]]:
    sampler = ClipSampler(range(size), seed=seed)
    sampler.rank, sampler.world_size = rank, world
    sampler.skip(skipped)
    return [(int(index), index.epoch) for index in islice(sampler, count)]


def test_example_of_the_docstring() -> None:
    assert doctest.testmod(samplers).failed == 0


@given(st.integers(1, 9), st.integers(0, 30))
def test_resumed_stream_is_the_rest_of_the_unbroken_one(size: int, skipped: int) -> None:
    assert stream(size, 10, skipped=skipped) == stream(size, skipped + 10)[skipped:]


@given(st.integers(1, 9), st.integers(1, 4))
def test_processes_share_one_stream(size: int, world: int) -> None:
    parts = [stream(size, 12, rank=rank, world=world) for rank in range(world)]
    merged = [index for step in zip(*parts) for index in step]
    assert merged == stream(size, 12 * world)


@given(st.integers(1, 30), st.integers(1, 8))
def test_an_epoch_is_shared_by_the_processes(size: int, world: int) -> None:
    sampler = ClipSampler(range(size), seed=0)
    sampler.world_size = world
    # the fewest steps after which all items were seen
    assert (len(sampler) - 1) * world < size <= len(sampler) * world


def test_every_epoch_is_another_permutation() -> None:
    epochs = [stream(20, 80)[20 * i : 20 * (i + 1)] for i in range(4)]
    for number, epoch in enumerate(epochs):
        assert sorted(index for index, _ in epoch) == list(range(20))
        assert {epoch_of for _, epoch_of in epoch} == {number}
    assert len({tuple(index for index, _ in epoch) for epoch in epochs}) == 4


def test_the_seed_makes_the_order() -> None:
    assert stream(20, 20) == stream(20, 20)
    assert stream(20, 20) != stream(20, 20, seed=4)


def test_without_shuffle_the_order_of_the_dataset() -> None:
    assert list(islice(ClipSampler(range(3), shuffle=False, seed=0), 7)) == [0, 1, 2, 0, 1, 2, 0]


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match='the dataset is empty'):
        ClipSampler([], seed=0)
    with pytest.raises(ValueError, match='must not be negative'):
        ClipSampler(range(3), seed=0).skip(-1)


def test_epoch_sampler_tells_the_epoch() -> None:
    sampler = EpochClipSampler(range(5), seed=0)
    sampler.set_epoch(4)
    indices = list(sampler)
    assert sorted(indices) == list(range(5))
    assert {index.epoch for index in indices} == {4}


@pytest.mark.parametrize(
    'duplicate', [copy.copy, copy.deepcopy, lambda index: pickle.loads(pickle.dumps(index))]
)
def test_indices_travel_to_workers(duplicate: object) -> None:
    index = duplicate(EpochIndex(9, epoch=2) - 4)
    assert (index, index.epoch, index.origin) == (5, 2, 9)


class Echo(R2VOSDataset):
    """Stands in for a dataset inside MMEngine's wrappers: gives back the index it gets."""

    METAINFO: dict = {}

    def __init__(self, size: int) -> None:
        self.size = size
        self._metainfo: dict = {}
        self._fully_initialized = True

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, idx: int) -> int:
        return idx


@pytest.mark.parametrize(
    ('wrapped', 'local'),
    [(lambda: ConcatDataset([Echo(3), Echo(5)]), 4), (lambda: RepeatDataset(Echo(5), 2), 2)],
)
def test_the_epoch_passes_mmengines_wrappers(wrapped: object, local: int) -> None:
    index = wrapped()[EpochIndex(7, epoch=6)]
    assert (index, index.epoch, index.origin) == (local, 6, 7)
