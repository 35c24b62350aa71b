"""Read and write masks: PNGs of object ids, COCO run-length codes and the masks of MeViS.

Everything here runs without torch and MMEngine.
"""

import operator
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from .data_issues import DataFileError
from .files import atomic_path, read_json
from .images import MAX_PIXELS, check_png, open_image, read_data_file

_LABEL_MODES = ('P', 'L', '1')
FAR = 16  # sides of the image
MIN_POLYGON = 6  # coordinates of three points


@lru_cache(maxsize=1)
def davis_palette() -> tuple[int, ...]:
    """Return the 256 colours of DAVIS and Pascal VOC masks as 768 integers.

    The bits of an id, from the lowest, go to red, green and blue in turn, highest bits first.
    """
    ids, palette = np.arange(256), np.zeros((256, 3), dtype=int)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (ids >> (3 * bit + channel) & 1) << (7 - bit)
    return tuple(palette.ravel().tolist())


def decode_label_png(content: bytes, where: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return the values (H, W) uint8 of a palette, grey or 1-bit image.

    Args:
        content: bytes of the file.
        where: name of the file for messages.
        size: expected (H, W), which is checked before the image is decoded.

    Raises:
        DataFileError: the image is incomplete, of another size, or has colours instead of ids.
    """
    try:
        with open_image(content) as image:
            found, mode = image.size[::-1], image.mode
            if mode in _LABEL_MODES and found == (size or found):
                check_png(content)
                return np.array(image, dtype=np.uint8)
    except Exception as error:  # decoders raise anything for broken files
        raise DataFileError(
            f'{where} is not a complete image ({error}): download or write the mask again'
        ) from error
    _check_size(found, size, where)
    raise DataFileError(
        f'{where} is not a mask (mode {mode} has no object ids): masks are 8-bit palette or grey '
        'PNGs whose pixels are object ids; convert the colours to ids'
    )


def read_label_png(path: str | Path) -> np.ndarray:
    """Return the values (H, W) uint8 of a palette, grey or 1-bit PNG.

    Raises:
        DataFileError: the file cannot be read, see also :func:`decode_label_png`.
    """
    return decode_label_png(read_data_file(path, 'mask'), str(path))


def write_label_png(labels: np.ndarray, path: str | Path, *, palette: bool = True) -> None:
    """Write object ids (H, W) uint8 as a PNG, atomically.

    Args:
        labels: the values.
        path: file to write; folders are made as needed.
        palette: show ids in the colours of DAVIS; False writes a grey image.
    """
    image = Image.fromarray(labels)
    if palette:
        image.putpalette(list(davis_palette()))
    with atomic_path(path) as temporary:
        image.save(temporary, format='PNG')


def encode_rle(mask: np.ndarray) -> dict[str, Any]:
    """Return the compressed COCO run-length code, with text ``counts``, of a mask (H, W)."""
    code = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {'size': list(code['size']), 'counts': code['counts'].decode('ascii')}


def decode_rle(code: Any, where: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return the mask (H, W) bool of a COCO run-length code, compressed or not.

    Args:
        code: the code, with ``size`` and ``counts``.
        where: its name for messages.
        size: expected (H, W), which is checked before the code is decoded.

    Raises:
        DataFileError: it is not such a code, or of another size.
    """
    return coco_mask.decode(compressed_rle(code, where, size)).astype(bool)


def compressed_rle(code: Any, where: str, size: tuple[int, int] | None = None) -> dict[str, Any]:
    """Return a COCO run-length code in its compressed form; arguments as for :func:`decode_rle`."""
    try:
        height, width = map(operator.index, code['size'])
        _check_size((height, width), size, where)
        is_list = isinstance(code['counts'], list)
        total = sum(code['counts']) if is_list else _num_pixels(code['counts'])
        if total != height * width:
            raise ValueError(f'{total} pixels, not {height} * {width}')
        return coco_mask.frPyObjects(code, height, width) if is_list else code
    except (AttributeError, LookupError, TypeError, ValueError, OverflowError) as error:
        raise DataFileError(
            f'{where} is not a run-length code ({error!r}): write or download the file again'
        ) from error


def _check_size(found: tuple[int, int], size: tuple[int, int] | None, where: str) -> None:
    """Raise for a mask that is not of ``size``, or too large to decode."""
    if size is not None and found != tuple(size):
        raise DataFileError(f'{where}: size {found}, the annotation has {size} (height, width)')
    if min(found) < 1 or found[0] * found[1] > MAX_PIXELS:
        raise DataFileError(f'{where}: size {found} (height, width) is not one of a mask')


def _num_pixels(counts: str | bytes) -> int:
    """Return the sum of compressed counts, which pycocotools does not compare with the size."""
    # Each count is written as the difference to the one before the last, in groups of five bits.
    text = counts if isinstance(counts, bytes) else counts.encode('ascii')
    bits = np.frombuffer(text, dtype=np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero(bits & 32 == 0)
    starts = np.append(0, ends[:-1] + 1)
    is_cut = not len(ends) or ends[-1] != len(bits) - 1
    if is_cut or (ends - starts).max() > 6 or bits.min() < 0 or bits.max() > 63:
        raise ValueError('broken counts')
    place = 5 * (np.arange(len(bits)) - np.repeat(starts, ends - starts + 1))
    values = np.add.reduceat((bits & 31) << place, starts)
    values -= (bits[ends] >> 4 & 1) << (5 * (ends - starts + 1))
    for chain in (values[1::2], values[2::2]):
        chain[:] = chain.cumsum()
    if values.min() < 0:
        raise ValueError('negative counts')
    return int(values.sum())


def decode_polygons(
    polygons: Sequence[Sequence[float]], size: tuple[int, int], where: str
) -> np.ndarray:
    """Return the union of COCO polygons as a mask of ``size`` (H, W), bool.

    Polygons of fewer than three points have no area and are skipped.

    Raises:
        DataFileError: they are not polygons; ``where`` is their name for the message.
    """
    try:
        usable = [polygon for polygon in polygons if len(polygon) >= MIN_POLYGON]
        if not usable:
            return np.zeros(size, bool)
        # Lines to far points take memory, and those to NaN crash.
        if not np.abs(np.concatenate(usable)).max() <= FAR * max(size):
            raise ValueError('points far outside the image')
        return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(usable, *size))).astype(bool)
    except (TypeError, ValueError) as error:
        raise DataFileError(
            f'{where}: its polygons cannot be drawn ({error!r}): download the annotations again'
        ) from error


def boxes_of_masks(masks: np.ndarray) -> np.ndarray:
    """Return the smallest boxes (..., 4) around masks (..., H, W) bool: x1, y1, x2, y2 in pixels.

    The box of pixels a to b spans [a, b + 1]; that of an empty mask is all 0.

    >>> boxes_of_masks(np.array([[[False, True, True]], [[False] * 3]])).tolist()
    [[1, 0, 3, 1], [0, 0, 0, 0]]
    """
    ends = []
    for occupied in (masks.any(-2), masks.any(-1)):
        end = occupied.shape[-1] - occupied[..., ::-1].argmax(-1)
        ends += [occupied.argmax(-1), np.where(occupied.any(-1), end, 0)]
    return np.stack(ends, -1)[..., [0, 2, 1, 3]]


def read_mask_dict(path: Path) -> dict[str, list[Any]]:
    """Return ``mask_dict.json`` of MeViS: {annotation id: [run-length code or None per frame]}.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it has another form.
    """
    content = read_json(path)
    if isinstance(content, dict) and all(isinstance(codes, list) for codes in content.values()):
        return content
    raise ValueError(
        f'{path} is not a dict of lists: expected {{<anno_id>: [<run-length code or null>, ...]}}. '
        'Download it again'
    )
