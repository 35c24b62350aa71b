"""Hold masks of many frames compressed, and index them like a bool array."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from r2vos_mm.utils.masks_io import encode_rle

# Run-length code, or packed bits (H * W / 8 values) of a mask for which they are smaller.
Code = bytes | np.ndarray

_ADVICE = 'index rows and frames, then the decoded masks; np.asarray decodes all of them'


class FrameMasks(Sequence):
    """The masks (T, H0, W0) of expression ``p``, each decoded on access."""

    def __init__(self, masks: CompressedMasks, p: int) -> None:
        self.masks, self.p = masks, p
        self.shape = masks.shape[1:]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | Sequence[int]) -> np.ndarray:
        return self.masks[self.p, index]

    def rle(self, index: int) -> dict[str, Any]:
        """Return the COCO run-length code of a frame, in most cases without decoding it."""
        return self.masks.rle(self.p, index)


class CompressedMasks:
    """Bool masks (P, T, H, W), each kept as its COCO run-length code.

    A mask of 1280 x 720 takes 0.2 to 3 kB instead of 922 kB. Indexing decodes what it selects and
    gives what it would of a bool array; ``masks[p, t]`` decodes one mask, ``np.asarray(masks)``
    all.

    Args:
        num_rows: P.
        size: (H, W).

    Examples:
        >>> masks = CompressedMasks(2, (4, 6))
        >>> masks.append(np.eye(4, 6, dtype=bool)[None, None].repeat(2, 0))
        >>> masks.shape, masks.dtype
        ((2, 1, 4, 6), dtype('bool'))
        >>> masks[0, 0, 1].tolist()
        [False, True, False, False, False, False]
        >>> masks.areas().tolist()
        [[4], [4]]
    """

    dtype = np.dtype(bool)
    ndim = 4

    def __init__(self, num_rows: int, size: tuple[int, int]) -> None:
        self.size = (int(size[0]), int(size[1]))
        self._parts = [np.empty((num_rows, 0), dtype=object)]

    @classmethod
    def encode(cls, masks: np.ndarray) -> CompressedMasks:
        """Compress an array (P, T, H, W)."""
        compressed = cls(len(masks), masks.shape[2:])
        compressed.append(masks)
        return compressed

    def append(self, masks: np.ndarray) -> None:
        """Add the masks (P, t, H, W), bool, of the next t frames.

        Raises:
            ValueError: they are of another number of rows or another size.
        """
        masks = np.asarray(masks, dtype=bool)
        rows = len(self._parts[0])
        if masks.ndim != 4 or len(masks) != rows or masks.shape[2:] != self.size:
            raise ValueError(
                f'masks {masks.shape} cannot be added to those of {rows} rows of size {self.size}'
            )
        self._parts.append(_objects([_encode(mask) for row in masks for mask in row], masks.shape))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape (P, T, H, W)."""
        return (*self._codes.shape, *self.size)

    @property
    def nbytes(self) -> int:
        """Bytes of the codes; one that several masks share counts once."""
        codes = {id(code): code for code in self._codes.flat}
        return sum(c.nbytes if isinstance(c, np.ndarray) else len(c) for c in codes.values())

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f'CompressedMasks(shape={self.shape}, {self.nbytes / 1e6:.3g} MB)'

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the masks (T, H, W) of each row."""
        return (self[index] for index in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Decode all masks."""
        if copy is False:
            raise ValueError('masks are decoded into a new array: copy=False is impossible')
        return self[...].astype(dtype or bool, copy=False)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Decode masks.

        Raises:
            IndexError: an index is out of range, or arrays index rows or frames together with
                numbers or arrays for pixels, or pixels of several masks at once.
        """
        lead, pixels = self._split(key if isinstance(key, tuple) else (key,))
        # With an axis of length 1 at the end, the selection of one code is an array too.
        codes = self._codes[..., None][(*lead, slice(None))][..., 0]
        decoded = np.empty((*codes.shape, *self.size), dtype=bool)
        for index in np.ndindex(codes.shape):
            decoded[index] = self._decode(codes[index])
        return decoded[(slice(None),) * codes.ndim + pixels]

    def where(self, kept: np.ndarray) -> CompressedMasks:
        """Return the masks of the rows that are in ``kept`` (P,) bool, and empty ones elsewhere."""
        masks = CompressedMasks(len(self), self.size)
        masks._parts = [self._codes.copy()]
        masks._parts[0][~np.asarray(kept, dtype=bool)] = _encode(np.zeros(self.size, dtype=bool))
        return masks

    def row(self, index: int) -> FrameMasks:
        """Return the masks (T, H, W) of one row, one decoded at a time."""
        return FrameMasks(self, range(len(self))[index])

    def rle(self, row: int, frame: int) -> dict[str, Any]:
        """Return one mask as :func:`encode_rle` does, in most cases without decoding it."""
        code = self._codes[row, frame]
        if isinstance(code, bytes):
            return {'size': list(self.size), 'counts': code.decode('ascii')}
        return encode_rle(self._decode(code))

    def areas(self) -> np.ndarray:
        """Return the pixels (P, T) of each mask, int64, without decoding run-length codes."""
        areas = [self._area(code) for code in self._codes.flat]
        return np.array(areas, dtype=np.int64).reshape(self._codes.shape)

    def any(self, axis: int | tuple[int, ...] | None = None) -> np.ndarray | bool:
        """Return whether there is foreground: over everything, or over the last two axes."""
        if axis is None:
            return bool(self.areas().any())
        axes = axis if isinstance(axis, tuple) else (axis,)
        if sorted(a % 4 for a in axes) == [2, 3]:
            return self.areas() > 0
        raise ValueError(f'axis={axis}: compressed masks are reduced over all axes or the last two')

    @property
    def _codes(self) -> np.ndarray:
        """Codes (P, T) of all masks."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts, axis=1)]
        return self._parts[0]

    def _split(self, key: tuple) -> tuple[tuple, tuple]:
        """Split an index into those of rows and frames, and those of pixels."""
        key = tuple(
            np.array(k, int if k == [] else None) if isinstance(k, list) else k for k in key
        )
        taken = sum(_num_axes(k) for k in key)
        if not any(k is Ellipsis for k in key):
            key = (*key, Ellipsis)
        at = next(i for i, k in enumerate(key) if k is Ellipsis)
        key = (*key[:at], *[slice(None)] * max(0, 4 - taken), *key[at + 1 :])
        axes, cut = 0, 0
        while axes < 2:
            axes, cut = axes + _num_axes(key[cut]), cut + 1
        lead, pixels = key[:cut], key[cut:]
        has_arrays = any(isinstance(k, np.ndarray) for k in lead)
        mixed = has_arrays and not all(isinstance(k, slice) for k in pixels)
        if taken > 4 or axes > 2 or mixed:
            raise IndexError(f'compressed masks {self.shape} cannot be indexed this way: {_ADVICE}')
        return lead, pixels

    def _decode(self, code: Code) -> np.ndarray:
        if isinstance(code, bytes):
            return coco_mask.decode({'size': self.size, 'counts': code}).view(bool)
        return np.unpackbits(code, count=math.prod(self.size)).view(bool).reshape(self.size)

    def _area(self, code: Code) -> int:
        if isinstance(code, bytes):
            return int(coco_mask.area({'size': self.size, 'counts': code}))
        return int(np.unpackbits(code).sum())


def _encode(mask: np.ndarray) -> Code:
    code = coco_mask.encode(np.asfortranarray(mask).view(np.uint8))['counts']
    return code if len(code) <= mask.size // 8 + 64 else np.packbits(mask)


def _objects(codes: list[Code], shape: tuple[int, ...]) -> np.ndarray:
    """Return codes of any lengths as an array (P, t) of objects."""
    objects = np.empty(len(codes), dtype=object)
    for index, code in enumerate(codes):
        objects[index] = code
    return objects.reshape(shape[:2])


def _num_axes(index: Any) -> int:
    """Return the number of axes that one part of an index takes."""
    if index is None or index is Ellipsis:
        return 0
    is_mask = isinstance(index, np.ndarray) and index.dtype == bool
    return index.ndim if is_mask else 1
