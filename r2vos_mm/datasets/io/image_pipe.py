"""Split a pipe of consecutive JPEG, PNG and PPM images, such as that of FFmpeg's ``image2pipe``."""

import re
import shutil
from collections.abc import Iterator
from typing import BinaryIO

from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.files import MAX_FILE_BYTES

STARTS = (b'\xff\xd8', b'\x89PNG', b'P6')

_BLOCK = 2**16
_PPM_HEADER = re.compile(rb'P6(?:\s|#[^\n]*\n)+(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\s')
_PPM_HEADER_BYTES = 256
# A marker after the pixels of a JPEG; in them, FF is followed by 0 or by a restart marker.
_JPEG_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]', re.DOTALL)
_JPEG_END, _JPEG_SCAN, _JPEG_FILL = 0xD9, 0xDA, 0xFF


class ImagePipe:
    """The images of a pipe, one after the other.

    Args:
        file: binary file that need not be seekable.
        name: its name in errors.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file, self.name = file, name
        # read1 returns what has arrived; read would wait for a whole block.
        self._read = getattr(file, 'read1', file.read)
        self._buffer = bytearray()
        self._index = 0

    def start(self) -> bytes:
        """Return the first four bytes, or fewer at the end of the pipe, without consuming them."""
        self._has(4)
        return bytes(self._buffer[:4])

    def copy_to(self, file: BinaryIO) -> None:
        """Copy everything to a file."""
        file.write(self._buffer)
        shutil.copyfileobj(self.file, file)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes of each image.

        Raises:
            DataFileError: something else is between two images, or the last one is cut off.
        """
        while self._has(1):
            end = self._end()
            yield bytes(self._buffer[:end])
            del self._buffer[:end]
            self._index += 1

    def _end(self) -> int:
        """Return the length of the image that the buffer begins with."""
        self._need(4)
        for start, find_end in zip(STARTS, (self._jpeg_end, self._png_end, self._ppm_end)):
            if self._buffer.startswith(start):
                return find_end()
        raise self._error(f'begins with {bytes(self._buffer[:4])!r}: send JPEG, PNG or PPM images')

    def _jpeg_end(self) -> int:
        place = 2
        while True:
            self._need(place + 4)
            kind = self._buffer[place + 1]
            if self._buffer[place] != 0xFF:
                raise self._error('is a damaged JPEG')
            if kind == _JPEG_END:
                return place + 2
            if kind == _JPEG_FILL:
                place += 1
                continue
            place += 2 + int.from_bytes(self._buffer[place + 2 : place + 4], 'big')
            if kind == _JPEG_SCAN:
                place = self._find(_JPEG_MARKER, place)
                if self._buffer[place + 1] == _JPEG_END:
                    return place + 2

    def _png_end(self) -> int:
        place = 8
        while True:
            self._need(place + 8)
            kind = self._buffer[place + 4 : place + 8]
            place += 12 + int.from_bytes(self._buffer[place : place + 4], 'big')
            if kind == b'IEND':
                self._need(place)
                return place

    def _ppm_end(self) -> int:
        self._has(_PPM_HEADER_BYTES)
        header = _PPM_HEADER.match(self._buffer)
        if header is None:
            raise self._error('is a damaged PPM')
        width, height, largest = map(int, header.groups())
        end = header.end() + width * height * (6 if largest > 255 else 3)
        self._need(end)
        return end

    def _find(self, pattern: re.Pattern, place: int) -> int:
        """Return the position of the first match of a two-byte pattern from ``place`` on."""
        while True:
            found = pattern.search(self._buffer, place)
            if found is not None:
                return found.start()
            place = max(place, len(self._buffer) - 1)
            self._need(len(self._buffer) + 1)

    def _need(self, count: int) -> None:
        if not self._has(count):
            raise self._error('is cut off')

    def _has(self, count: int) -> bool:
        """Read until the buffer holds ``count`` bytes; False if the pipe ends before."""
        if count > MAX_FILE_BYTES:
            raise self._error(f'has more than {MAX_FILE_BYTES:,} bytes')
        while len(self._buffer) < count:
            block = self._read(_BLOCK)
            if not block:
                return False
            self._buffer += block
        return True

    def _error(self, what: str) -> DataFileError:
        return DataFileError(f'image {self._index} of {self.name} {what}')
