"""Read predicted masks from folders of PNGs, zips of them, and run-length codes in JSON."""

import os
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.files import read_json
from r2vos_mm.utils.masks_io import decode_label_png, decode_rle

ANNOTATIONS = 'Annotations'


class MaskFiles:
    """Masks in ``<path>/<folder>/<frame>.png``. Objects can be sent to other processes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, folder: str, frame: str, index: int) -> np.ndarray | None:
        """Return the values (H, W) uint8 of one frame, None if there is no mask.

        DataFileError is raised if the mask is broken.

        Args:
            folder: such as ``<video>/<expression>``.
            frame: name of the frame.
            index: its position among the listed frames of the video.
        """
        path = os.path.join(self.path, folder, f'{frame}.png')
        try:
            with open(path, 'rb') as file:
                return decode_label_png(file.read(), path)
        except FileNotFoundError:
            return None

    def has_folder(self, folder: str) -> bool:
        """Return whether there is anything in ``folder``."""
        return (self.path / folder).is_dir()


class _PngZip(MaskFiles):
    """The same in a zip, as it is submitted to a server."""

    def read(self, folder: str, frame: str, index: int) -> np.ndarray | None:
        archive, top, _ = _open_zip(self.path, os.getpid())
        name = f'{top}{folder}/{frame}.png'
        try:
            return decode_label_png(archive.read(name), f'{self.path}: {name}')
        except KeyError:
            return None
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise DataFileError(f'{self.path}: {name} is broken ({error}): zip it again') from error

    def has_folder(self, folder: str) -> bool:
        _, top, folders = _open_zip(self.path, os.getpid())
        return top + folder in folders


class _RleJson(MaskFiles):
    """``{<video>: {<expression>: masks}}`` in JSON.

    ``masks`` is a list with one COCO run-length code per listed frame, or a mapping from frame
    names to codes; ``null`` is an empty mask. The counts of a code are text or a list of runs.
    """

    def read(self, folder: str, frame: str, index: int) -> np.ndarray | None:
        masks, key = self._masks(folder) or {}, frame
        if isinstance(masks, list):
            masks, key = dict(enumerate(masks)), index
        if masks.get(key) is not None:
            where = f'{self.path}: {folder}, frame {frame}'
            return decode_rle(masks[key], where).view(np.uint8)
        # An empty mask has the size of the other masks.
        size = next((tuple(other['size']) for other in masks.values() if other), None)
        return np.zeros(size, dtype=np.uint8) if key in masks and size else None

    def has_folder(self, folder: str) -> bool:
        return self._masks(folder) is not None

    def _masks(self, folder: str) -> list[Any] | dict[str, Any] | None:
        content = _load_json(self.path)
        for part in folder.split('/'):
            content = content.get(part) if isinstance(content, dict) else None
        return content


def open_masks(path: Path) -> MaskFiles:
    """Return the masks of a folder (or its ``Annotations``), a ``.zip`` or a ``.json``.

    FileNotFoundError or ValueError is raised if the path does not exist or is something else.
    """
    if path.is_dir():
        return MaskFiles(path / ANNOTATIONS if (path / ANNOTATIONS).is_dir() else path)
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist: give a folder of PNGs, a zip or a JSON')
    if zipfile.is_zipfile(path):
        return _PngZip(path)
    if path.suffix == '.json':
        return _RleJson(path)
    raise ValueError(f'{path} is neither a folder, a complete zip nor a JSON of run-length codes')


# If a file is parsed before a fork, all processes share it.
_load_json = lru_cache(maxsize=4)(read_json)


@lru_cache(maxsize=4)
def _open_zip(path: Path, process: int) -> tuple[zipfile.ZipFile, str, set[str]]:
    """Return an open zip of this process, its top folder ``Annotations/`` or '', and its folders.

    A handle must not be shared across a fork.
    """
    archive = zipfile.ZipFile(path)
    names = [name for name in archive.namelist() if name.endswith('.png')]
    has_top = names and all(name.startswith(f'{ANNOTATIONS}/') for name in names)
    folders = {name.rsplit('/', depth)[0] for name in names for depth in (1, 2)}
    return archive, f'{ANNOTATIONS}/' if has_top else '', folders
