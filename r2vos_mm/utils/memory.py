"""Return free memory of the process to the system."""

import ctypes
import functools
from collections.abc import Callable


def release_free_memory() -> None:
    """Return free memory between remaining objects to the system, where the C library is glibc.

    Long loops over large arrays that keep a few small objects each would otherwise grow the heap.
    """
    _trim()(0)


@functools.cache
def _trim() -> Callable[[int], object]:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return lambda _: None
