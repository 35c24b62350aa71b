import sys

import numpy as np
import pytest

from r2vos_mm.utils.memory import release_free_memory


def resident_pages() -> int:
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1])


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='memory is read from /proc')
def test_memory_between_small_objects_is_released():
    """64 MB in blocks of 64 kB, each followed by a small object that remains."""
    blocks, small = [], []
    for _ in range(1000):
        blocks.append(np.ones(2**16, np.uint8))
        small.append(bytes(1000))
    full = resident_pages()
    blocks.clear()
    release_free_memory()
    assert (full - resident_pages()) * 4096 > 40e6
