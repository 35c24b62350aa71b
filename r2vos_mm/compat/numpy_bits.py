"""Count bits with any NumPy.

Reason: ``np.bitwise_count`` came with NumPy 2, and 1.26 is allowed.
"""

import numpy as np

_BITS_OF_BYTE = np.array([bin(byte).count('1') for byte in range(256)], dtype=np.uint8)


def bitwise_count(values: np.ndarray) -> np.ndarray:
    """Count the set bits of unsigned integers (..., K), before NumPy 2 those of each byte."""
    if hasattr(np, 'bitwise_count'):
        return np.bitwise_count(values)
    return _BITS_OF_BYTE[values.view(np.uint8)]
