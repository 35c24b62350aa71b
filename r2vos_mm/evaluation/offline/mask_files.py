"""Predicted masks on disk: folders of PNGs, zips of them, and run-length codes in JSON."""

from __future__ import annotations

import io
import os
import zipfile
from abc import ABC, abstractmethod
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from r2vos_mm.utils.files import read_json

ANNOTATIONS = 'Annotations'
_MASK_MODES = ('1', 'L', 'P')


class MaskFileError(ValueError):
    """A mask that is there but cannot be used; the message names the file and what to do."""


class MaskFiles(ABC):
    """Masks by folder and frame. Objects are small and can be sent to other processes.

    Args:
        path: where they are.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def read(self, folder: str, frame: str, index: int) -> np.ndarray | None:
        """The map of values (H, W) uint8 of one frame, None if there is none.

        Args:
            folder: such as ``<video>/<expression>``.
            frame: name of the frame.
            index: its position among the listed frames of the video.

        Raises:
            MaskFileError: it is there but broken, or no mask.
        """

    @abstractmethod
    def has_folder(self, folder: str) -> bool:
        """Whether there is anything under ``folder``."""


class PngFolder(MaskFiles):
    """``<path>[/Annotations]/<folder>/<frame>.png``."""

    def __init__(self, path: Path) -> None:
        inner = path / ANNOTATIONS
        super().__init__(inner if inner.is_dir() else path)

    def read(self, folder: str, frame: str, index: int) -> np.ndarray | None:
        """See :meth:`MaskFiles.read`."""
        path = self.path / folder / f'{frame}.png'
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        return decode_png(content, str(path))

    def has_folder(self, folder: str) -> bool:
        """See :meth:`MaskFiles.has_folder`."""
        return (self.path / folder).is_dir()


class PngZip(MaskFiles):
    """The same in a zip, as it is handed in to a server."""

    def read(self, folder: str, frame: str, index: int) -> np.ndarray | None:
        """See :meth:`MaskFiles.read`."""
        archive = _open_zip(self.path, os.getpid())
        name = f'{archive.prefix}{folder}/{frame}.png'
        try:
            content = archive.file.read(name)
        except KeyError:
            return None
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise MaskFileError(f'{self.path}: {name} is broken ({error}): zip it again') from error
        return decode_png(content, f'{self.path}: {name}')

    def has_folder(self, folder: str) -> bool:
        """See :meth:`MaskFiles.has_folder`."""
        archive = _open_zip(self.path, os.getpid())
        return f'{archive.prefix}{folder}' in archive.folders


class RleJson(MaskFiles):
    """``{<video>: {<expression>: masks}}`` in JSON.

    ``masks`` is a list with one COCO run-length code per listed frame, or a mapping from frame
    names to codes; ``null`` is an empty mask. The code's counts are text or a list of runs.
    """

    def read(self, folder: str, frame: str, index: int) -> np.ndarray | None:
        """See :meth:`MaskFiles.read`."""
        masks = self._masks(folder)
        where = f'{self.path}: {folder}, frame {frame}'
        if masks is None:
            return None
        if isinstance(masks, list):
            if index >= len(masks):
                return None
            code, size = masks[index], _size_of(masks)
        else:
            if frame not in masks:
                return None
            code, size = masks[frame], _size_of(masks.values())
        if code is None:
            if size is None:
                return None
            return np.zeros(size, dtype=np.uint8)
        return decode_rle(code, where)

    def has_folder(self, folder: str) -> bool:
        """See :meth:`MaskFiles.has_folder`."""
        return self._masks(folder) is not None

    def _masks(self, folder: str) -> Any:
        """What the JSON has under ``folder``."""
        content = _load_json(self.path)
        for part in folder.split('/'):
            content = content.get(part) if isinstance(content, dict) else None
        return content


def open_masks(path: Path) -> MaskFiles:
    """The masks of a folder, a ``.zip`` or a ``.json``.

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: it is something else.
    """
    if path.is_dir():
        return PngFolder(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist: give a folder of PNGs, a zip or a JSON')
    if zipfile.is_zipfile(path):
        return PngZip(path)
    if path.suffix == '.json':
        return RleJson(path)
    raise ValueError(f'{path} is neither a folder, a whole zip nor a JSON of run-length codes')


def decode_png(content: bytes, where: str) -> np.ndarray:
    """Values (H, W) uint8 of a palette, grey or 1-bit PNG.

    Raises:
        MaskFileError: for anything else, ``where`` in the message.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.mode not in _MASK_MODES:
                raise MaskFileError(
                    f'{where} is of mode {image.mode}: masks are palette or grey PNGs of 8 bits '
                    'whose values are ids, not colours'
                )
            return np.array(image, dtype=np.uint8)
    except (OSError, SyntaxError) as error:
        raise MaskFileError(f'{where} is no complete image ({error}): write it again') from error


def decode_rle(code: Any, where: str) -> np.ndarray:
    """Mask (H, W) uint8 of 0 and 1 of a COCO run-length code.

    Raises:
        MaskFileError: it is none, ``where`` in the message.
    """
    try:
        if isinstance(code['counts'], list):
            code = coco_mask.frPyObjects(code, *code['size'])
        return coco_mask.decode(code)
    except (KeyError, TypeError, ValueError) as error:
        raise MaskFileError(f'{where} is not a run-length code ({error!r})') from error


class _Archive:
    """An open zip: its file, the ``Annotations/`` level if there is one, and its folders."""

    def __init__(self, path: Path) -> None:
        self.file = zipfile.ZipFile(path)
        names = [name for name in self.file.namelist() if name.endswith('.png')]
        inside = names and all(name.startswith(f'{ANNOTATIONS}/') for name in names)
        self.prefix = f'{ANNOTATIONS}/' if inside else ''
        parents = {name.rpartition('/')[0] for name in names}
        self.folders = parents | {name.rpartition('/')[0] for name in parents}


@lru_cache(maxsize=4)
def _open_zip(path: Path, process: int) -> _Archive:
    """The open zip of this process: a handle must not be shared over a fork."""
    return _Archive(path)


@lru_cache(maxsize=4)
def _load_json(path: Path) -> Any:
    """The parsed file; read before a fork, all processes share it."""
    return read_json(path)


def _size_of(codes: Any) -> tuple[int, int] | None:
    """(H, W) of the first code that is not null."""
    return next((tuple(code['size']) for code in codes if code), None)
