"""Count, outline and dilate masks by bit operations on 64 pixels per word.

A bitmap is an array (K, ..., H) of ``K = ceil(W / 64)`` words per row: bit ``x % 64`` of word
``x // 64`` is pixel ``x``, so that a right shift by one gives the right neighbour. Words are the
first axis and rows the last, so that operations on neighbouring words and rows run over contiguous
memory. Everything outside a bitmap is background.
"""

from functools import lru_cache
from math import isqrt

import numpy as np

WORD = np.dtype('<u8')
WORD_BITS = 64


def pack(masks: np.ndarray) -> np.ndarray:
    """Pack masks (T, H, W) bool into rows of words (T, H, K) uint64; unused high bits are 0."""
    packed = np.packbits(masks, axis=-1, bitorder='little')
    num_words = -(-masks.shape[-1] // WORD_BITS)
    words = np.zeros((*masks.shape[:-1], num_words), dtype=WORD)
    words.view(np.uint8)[..., : packed.shape[-1]] = packed
    return words


def count(bitmap: np.ndarray) -> np.ndarray:
    """Return the number of set pixels, (K, ..., H) -> (...) int64."""
    has_counter = hasattr(np, 'bitwise_count')  # since NumPy 2
    bits = np.bitwise_count(bitmap) if has_counter else np.unpackbits(bitmap.view(np.uint8), -1)
    return bits.sum(axis=(0, -1), dtype=np.int64)


def boundaries(bitmap: np.ndarray, inner_columns: np.ndarray) -> np.ndarray:
    """Return the pixels unlike their right, lower or lower-right neighbour (DAVIS' ``seg2bmap``).

    The last row is compared with the right neighbour only, the last column with the lower one only,
    the last pixel with none: the edge of the frame is never a boundary. ``inner_columns`` (K,) are
    words with every column set but the last one of the frame; (K, ..., H) -> (K, ..., H).
    """
    from_right = bitmap >> WORD.type(1)
    from_right[:-1] |= bitmap[1:] << WORD.type(WORD_BITS - 1)
    edges = bitmap ^ from_right
    edges[..., :-1] |= bitmap[..., :-1] ^ from_right[..., 1:]
    edges &= inner_columns.reshape(-1, *[1] * (bitmap.ndim - 1))
    edges[..., :-1] |= bitmap[..., :-1] ^ bitmap[..., 1:]
    return edges


def dilate(bitmap: np.ndarray, radius: int) -> np.ndarray:
    """Dilate by the disk dx^2 + dy^2 <= radius^2, (K, ..., H) -> (K, ..., H).

    The disk is a union of horizontal bars: the bitmap is widened step by step, and at the width of
    each bar it is or-ed to the rows of that bar.
    """
    height = bitmap.shape[-1]
    # Empty rows after each image keep images apart, so that all rows move in one operation.
    # One array: the system would map each of four into memory again in every call.
    buffers = np.empty((4, *bitmap.shape[:-1], height + radius), dtype=WORD)
    dilated, widened, wider, scratch = buffers
    dilated[...], widened[..., :height], widened[..., height:] = 0, bitmap, 0
    flat, half_width = dilated.reshape(-1), 0
    for target, dys in _bars_of_disk(radius):
        while half_width < target:
            # Bars of 2 * half_width + 1 pixels leave no gap when moved by at most their own length.
            step = min(target - half_width, 2 * half_width + 1, WORD_BITS - 1)
            _widen(widened, step, out=wider, scratch=scratch)
            widened, wider = wider, widened
            half_width += step
        bars = widened.reshape(-1)
        for dy in dys:
            flat[dy:] |= bars[: len(bars) - dy]
            if dy:
                flat[: len(bars) - dy] |= bars[dy:]
    return dilated[..., :height]


@lru_cache(maxsize=64)
def _bars_of_disk(radius: int) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return the bars of the disk, narrow ones first: half width and the dy >= 0 of its rows."""
    rows: dict[int, list[int]] = {}
    for dy in range(radius, -1, -1):
        rows.setdefault(isqrt(radius * radius - dy * dy), []).append(dy)
    return tuple((half_width, tuple(dys)) for half_width, dys in rows.items())


def _widen(bitmap: np.ndarray, pixels: int, *, out: np.ndarray, scratch: np.ndarray) -> None:
    """Write to ``out`` the union of the bitmap and itself moved both ways by 1 to 63 pixels."""
    near, far = WORD.type(pixels), WORD.type(WORD_BITS - pixels)
    np.left_shift(bitmap, near, out=out)
    out |= np.right_shift(bitmap, near, out=scratch)
    out |= bitmap
    if len(bitmap) > 1:
        out[1:] |= np.right_shift(bitmap[:-1], far, out=scratch[1:])
        out[:-1] |= np.left_shift(bitmap[1:], far, out=scratch[1:])
