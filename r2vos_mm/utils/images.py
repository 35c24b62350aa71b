"""Decode image files within limits, turned upright by their EXIF orientation."""

import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

import numpy as np
from PIL import Image

from .data_issues import DataFileError
from .files import PathLike, check_regular, in_any_case, read_bytes
from .storage.faults import StorageError

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')

MAX_PIXELS = int(os.environ.get('R2VOS_MAX_PIXELS', Image.MAX_IMAGE_PIXELS))
"""Pixels up to which an image is decoded; more are refused by its header."""
if 'R2VOS_MAX_PIXELS' in os.environ:
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS

_JPEG_START, _JPEG_END, _JPEG_SCAN = b'\xff\xd8', b'\xff\xd9', b'\xff\xda'
_PNG_START, _PNG_END = b'\x89PNG\r\n\x1a\n', b'IEND\xaeB`\x82'
_ORIENTATION = 0x0112  # tag of EXIF
_ANIMATED = ('PNG', 'WEBP', 'GIF')  # a JPEG of several pictures has previews or a second view
# Factors by which a JPEG decoder can shrink an image, the strongest first.
_REDUCED = {8: 'REDUCED_COLOR_8', 4: 'REDUCED_COLOR_4', 2: 'REDUCED_COLOR_2', 1: 'COLOR'}


def read_image(
    path: PathLike, largest_scale: tuple[int, int] | None = None
) -> tuple[np.ndarray, tuple[int, int]]:
    """Return an image (H, W, 3) uint8 BGR and the size (H0, W0) of its file, both turned upright.

    Args:
        path: image file of any colour mode; ``.JPG`` is found for ``.jpg``.
        largest_scale: see :func:`jpeg_reduction`; None decodes at full size.

    Raises:
        DataFileError: the file is missing, no image, truncated, animated or too large.
    """
    with _frame_errors(path):
        content = read_data_file(path, 'frame')
        with open_image(content) as header:
            reduction = 1
            if largest_scale is not None and content.startswith(_JPEG_START):
                reduction = jpeg_reduction(header.size, largest_scale)
            return _decode(header, content, reduction), _upright_size(header, content)


def image_size(path: PathLike) -> tuple[int, int]:
    """Return the size (H, W) of an image turned upright, from its header; raises as read_image."""
    with _frame_errors(path):
        path = in_any_case(path)
        check_regular(path)
        with path.open('rb') as file, open_image(file) as header:
            # The EXIF data of a PNG may come after its pixels.
            content = read_data_file(path, 'frame') if header.format == 'PNG' else b''
            return _upright_size(header, content)


@contextmanager
def open_image(content: bytes | BinaryIO) -> Iterator[Image.Image]:
    """Open an image, whose pixels are not decoded yet.

    Raises:
        OSError: the content is not an image, or one of more than :data:`MAX_PIXELS`.
    """
    try:
        image = Image.open(io.BytesIO(content) if isinstance(content, bytes) else content)
    except Image.DecompressionBombError as error:
        raise OSError(f'{error}; set R2VOS_MAX_PIXELS to read it anyway') from error
    with image:
        if image.width * image.height > MAX_PIXELS:
            raise OSError(
                f'it has {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}; set '
                'R2VOS_MAX_PIXELS to read it anyway'
            )
        yield image


def decode_image(content: bytes, *, reduction: int = 1) -> np.ndarray:
    """Return an upright BGR image (H, W, 3) uint8 from an image file of any colour mode.

    Transparent parts become black. Values of 16 bits are scaled to 8.

    Args:
        content: bytes of the file.
        reduction: factor of each side, 1, 2, 4 or 8, rounded up; Pillow decodes at full size.

    Raises:
        OSError: the content is not an image, incomplete, animated or too large.
    """
    with open_image(content) as header:
        return _decode(header, content, reduction)


def check_png(content: bytes) -> None:
    """Compare the checksums of a PNG, which decoders do not do for pixels; pass other formats.

    Raises:
        OSError: a part has changed since the file was written.
    """
    position = len(_PNG_START)
    while content.startswith(_PNG_START) and position + 12 <= len(content):
        end = position + 8 + int.from_bytes(content[position : position + 4], 'big')
        kind = content[position + 4 : position + 8]
        stored = int.from_bytes(content[end : end + 4], 'big')
        if zlib.crc32(memoryview(content)[position + 4 : end]) != stored:
            raise OSError(f'its part {kind.decode("latin-1")!r} is damaged')
        if kind == b'IEND':
            break
        position = end + 4


def jpeg_reduction(size: tuple[int, int], largest_scale: tuple[int, int]) -> int:
    """Return the factor by which an image may be reduced so that no later resize enlarges it.

    Args:
        size: (width, height) of the image.
        largest_scale: the largest scale to which the pipeline resizes, keeping the ratio of the
            sides: (long side at most, short side at most), as of ``Resize``.

    >>> jpeg_reduction((1280, 720), (640, 360)), jpeg_reduction((1280, 720), (100000, 400))
    (2, 1)
    """
    scale = min(max(largest_scale) / max(size), min(largest_scale) / min(size))
    wanted = [int(side * scale + 0.5) for side in size]  # as MMCV rounds
    return next(
        factor
        for factor in _REDUCED
        if factor == 1 or all(-(-side // factor) >= least for side, least in zip(size, wanted))
    )


def _decode(header: Image.Image, content: bytes, reduction: int) -> np.ndarray:
    check_png(content)
    if not _is_whole(content):
        # OpenCV fills the rest of a JPEG with grey, silently.
        raise OSError('its end is missing: it was cut off while it was written or copied')
    if header.format in _ANIMATED and getattr(header, 'n_frames', 1) > 1:
        raise OSError(f'it is an animation of {header.n_frames} pictures: extract its frames')
    pixels = None
    if not _has_alpha(header):
        import cv2  # the scorer of mask files runs without it

        flags = getattr(cv2, f'IMREAD_{_REDUCED[reduction]}') | cv2.IMREAD_IGNORE_ORIENTATION
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if pixels is None:
        pixels = np.asarray(on_black(header))[..., ::-1]
    return np.ascontiguousarray(_turned(pixels, _orientation(header, content)))


@contextmanager
def _frame_errors(path: PathLike) -> Iterator[None]:
    try:
        yield
    except (DataFileError, StorageError):
        raise
    except Exception as error:  # decoders raise anything for broken files
        raise DataFileError(
            f'{path} is not a complete image ({error}): extract or download the frame again'
        ) from error


def read_data_file(path: PathLike, kind: str) -> bytes:
    """Return the content of a file of a frame, whose suffix may be in any case.

    Raises:
        DataFileError: it cannot be read; the message calls it a ``kind``, such as a mask.
    """
    try:
        return read_bytes(in_any_case(path))
    except OSError as error:
        raise DataFileError(
            f'cannot read {path} ({error}): put the {kind} there, or remove it from the list'
        ) from error


def _upright_size(image: Image.Image, content: bytes) -> tuple[int, int]:
    return image.size if _orientation(image, content) > 4 else image.size[::-1]


def _orientation(image: Image.Image, content: bytes) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if there is none."""
    value = 1
    # Pillow decodes a PNG to look for EXIF after the pixels.
    if 'exif' in image.info or (image.format == 'PNG' and b'eXIf' in content):
        with suppress(Exception):  # broken EXIF data; the picture may be sound
            value = image.getexif().get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return an image turned upright by its EXIF orientation."""
    if orientation > 4:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ('RGBA', 'LA', 'PA', 'La', 'RGBa') or 'transparency' in image.info


def on_black(image: Image.Image) -> Image.Image:
    """Return an image of any mode as RGB, transparent parts as black."""
    if _has_alpha(image):
        layer = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', layer.size, (0, 0, 0, 255)), layer)
    return image.convert('RGB')


def _is_whole(content: bytes) -> bool:
    """Return whether a file has the end that its format requires; True for other formats."""
    if content.startswith(_JPEG_START):
        return content.endswith(_JPEG_END) or content.find(_JPEG_END, _scan_start(content)) >= 0
    if content.startswith(_PNG_START):
        return content.find(_PNG_END) >= 0
    if content.startswith(b'RIFF'):
        return int.from_bytes(content[4:8], 'little') + 8 <= len(content) + 1
    return True


def _scan_start(content: bytes) -> int:
    """Return where the pixels of a JPEG begin, after headers that may hold a preview."""
    position = len(_JPEG_START)
    while content[position : position + 2] not in (_JPEG_SCAN, b'') and content[position] == 0xFF:
        position += 2 + int.from_bytes(content[position + 2 : position + 4], 'big')
    return position
