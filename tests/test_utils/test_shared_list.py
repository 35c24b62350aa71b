"""A list that keeps its items as bytes."""

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2vos_mm.datasets import VideoRecord
from r2vos_mm.utils.shared_list import SharedList


@given(st.lists(st.one_of(st.text(), st.integers(), st.lists(st.text()))))
def test_is_the_list_it_was_made_of(items: list) -> None:
    shared = SharedList(items)
    assert list(shared) == items
    assert len(shared) == len(items)
    assert shared[1:] == items[1:]
    assert shared[::-2] == items[::-2]
    for index in range(-len(items), len(items)):
        assert shared[index] == items[index]
    for index in (len(items), -len(items) - 1):
        with pytest.raises(IndexError):
            shared[index]


def test_records_and_pickling() -> None:
    video = VideoRecord('v', ('00000', '00005'), Path('a/v'), None, (), {'1': 'dog'})
    shared = pickle.loads(pickle.dumps(SharedList(iter([video, video]))))
    assert list(shared) == [video, video]
    assert video in shared


def test_size() -> None:
    shared = SharedList(['x' * 1000] * 3)
    # The texts, three ends more than the start, 8 bytes each, and some bytes of pickle.
    assert 3000 + 4 * 8 <= shared.nbytes <= 3000 + 4 * 8 + 3 * 40
