"""A list that worker processes share instead of copying."""

import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar, overload

import numpy as np

T = TypeVar('T')


class SharedList(Sequence[T], Generic[T]):
    """An immutable list that keeps its items as bytes in one buffer.

    A forked worker shares the memory of its parent until one of them writes to it, and every look
    at a Python object writes its reference count: a list of objects ends up once in each worker.
    Bytes in one array have no counts, so that they stay where they are; an item is made of them
    when it is asked for, and a look at ``len`` and at one item costs no copy of the others.

    Args:
        items: what to keep; anything that can be pickled. Strings take no more room than in
            UTF-8.
    """

    def __init__(self, items: Iterable[T]) -> None:
        # One byte string at a time, so that the objects and the bytes never lie side by side.
        buffer, ends = bytearray(), [0]
        for item in items:
            buffer += pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)
            ends.append(len(buffer))
        self._buffer = np.frombuffer(buffer, np.uint8)
        self._ends = np.array(ends, np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        """The item, made anew with every call.

        Raises:
            IndexError: beyond the ends.
        """
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        start, end = self._ends[position : position + 2]
        return pickle.loads(memoryview(self._buffer[start:end]))

    def __iter__(self) -> Iterator[T]:
        return (self[i] for i in range(len(self)))

    @property
    def nbytes(self) -> int:
        """Bytes that all items take together."""
        return self._buffer.nbytes + self._ends.nbytes
