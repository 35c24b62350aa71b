"""Share a list among worker processes without copying it."""

import pickle
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar('T')


class SharedList(Sequence[T]):
    """An immutable list that keeps its items as bytes in one buffer.

    A forked worker shares the memory of its parent until one of them writes to it. Every access to
    a Python object writes its reference count, so a list of objects is copied into each worker over
    time. Bytes in one array have no reference counts; an item is unpickled when it is accessed.

    Args:
        items: any objects that can be pickled.
    """

    def __init__(self, items: Iterable[T]) -> None:
        # One item at a time, so that objects and bytes of all items never exist together.
        buffer, ends = bytearray(), [0]
        for item in items:
            buffer += pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)
            ends.append(len(buffer))
        self._buffer = np.frombuffer(buffer, np.uint8)
        self._ends = np.array(ends, np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int | slice) -> T | list[T]:
        """Unpickle an item; every call returns a new object.

        Raises:
            IndexError: beyond the ends.
        """
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = range(len(self))[index]
        start, end = self._ends[position : position + 2]
        return pickle.loads(memoryview(self._buffer[start:end]))

    @property
    def nbytes(self) -> int:
        """Return the number of bytes of all items."""
        return self._buffer.nbytes + self._ends.nbytes
