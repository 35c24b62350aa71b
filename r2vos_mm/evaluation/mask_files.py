"""Read predicted and annotated masks: folders of PNGs, zips of them, run-length codes in JSON."""

import os
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.files import read_json
from r2vos_mm.utils.masks_io import decode_label_png, decode_rle, read_mask_dict

ANNOTATIONS = 'Annotations'
VOID = 255


class MaskFiles:
    """Masks in ``<path>/<folder>/<frame>.png``. Objects can be sent to other processes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, folder: str, frame: str, index: int) -> np.ndarray | None:
        """Return the values (H, W) uint8 of a frame in a folder such as ``<video>/<expression>``.

        ``index`` is the position of ``frame`` among the listed ones. Without a mask the result is
        None; DataFileError is raised if the mask is broken.
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


# If a file is parsed before a fork, all processes share it; MeViS' has several hundred MB.
_load_json = lru_cache(maxsize=4)(read_json)
_mask_dict = lru_cache(maxsize=1)(read_mask_dict)


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


class PairTask(NamedTuple):
    """One pair to score; see also :class:`.metrics.pair_scores.PairScores`.

    Attributes:
        folder: folder of its predictions.
        target: ids of the objects that the expression is about; empty for negatives.
        sentence_type: ``type_id`` of ReVOS, or None.
    """

    pair_id: str
    folder: str
    expression: str = ''
    kind: str = 'positive'
    is_negative: bool = False
    target: tuple[str, ...] = ()
    sentence_type: int | None = None


class VideoTask(NamedTuple):
    """One video to score: its frames in order and its pairs."""

    video: str
    frames: tuple[str, ...]
    pairs: tuple[PairTask, ...] = ()


class PngGroundTruth:
    """``<root>/<video>/<frame>.png`` in a folder or zip: values are object ids, 255 for void."""

    def __init__(self, root: Path) -> None:
        self.files = open_masks(root)

    def id_map(self, task: VideoTask, index: int) -> np.ndarray:
        """Return the object ids (H, W) uint8 of one frame; DataFileError if they cannot be read."""
        frame = task.frames[index]
        ids = self.files.read(task.video, frame, index)
        if ids is None:
            raise DataFileError(f'{self.files.path} has no annotation {task.video}/{frame}.png')
        return ids

    def object_masks(self, task: VideoTask, index: int) -> dict[str, np.ndarray]:
        """Return the masks (H, W) bool of all annotated objects in one frame, by object id."""
        ids = self.id_map(task, index)
        return {str(value): ids == value for value in values_in(ids) if value not in (0, VOID)}

    def shape(self, task: VideoTask) -> tuple[int, int]:
        """Return (H, W) of the masks of a video."""
        return self.id_map(task, 0).shape

    def num_objects(self, task: VideoTask) -> int:
        """Return the highest id in the first frame, as the DAVIS code does; raise if it is 0."""
        ids = self.id_map(task, 0)
        highest = int(ids.max(initial=0, where=ids != VOID))
        if not highest:
            self.refuse_binary(task)
            raise DataFileError(f'the first annotated frame of {task.video} has no object')
        return highest

    def refuse_binary(self, task: VideoTask) -> None:
        """Raise DataFileError if a video without any object has masks of 0 and 255."""
        for index, frame in enumerate(task.frames):
            if (self.id_map(task, index) == VOID).any():
                raise DataFileError(
                    f'the annotation {self.files.path}/{task.video} has no object ids, but the '
                    f'value {VOID} (frame {frame}): write ids 1, 2, ... instead of 0/{VOID} masks'
                )


class MevisGroundTruth:
    """``mask_dict.json`` of MeViS: one run-length code per frame for each object.

    The file is read once and shared with processes that are forked afterwards.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def object_masks(self, task: VideoTask, index: int) -> dict[str, np.ndarray]:
        """Return the masks (H, W) bool of the pairs' objects in one frame, by object id."""
        return {
            name: decode_rle(codes[index], f'{self.path}: annotation {name}, frame {index}')
            for name, codes in self._codes(task).items()
            if codes[index] is not None
        }

    def shape(self, task: VideoTask) -> tuple[int, int]:
        """Return (H, W) of the masks of a video."""
        for code in (code for codes in self._codes(task).values() for code in codes if code):
            return tuple(code['size'])
        raise DataFileError(f'{self.path}: video {task.video} has no mask that tells its size')

    def _codes(self, task: VideoTask) -> dict[str, list[Any]]:
        """Return the run-length codes per frame of the objects of a video."""
        content, names = _mask_dict(self.path), {n for pair in task.pairs for n in pair.target}
        codes = {name: content.get(name, []) for name in names}
        for name, found in codes.items():
            if len(found) != len(task.frames):
                where = f'{self.path}: annotation {name} of video {task.video}'
                raise DataFileError(f'{where} has {len(found)} masks, not {len(task.frames)}')
        return codes


GroundTruth = PngGroundTruth | MevisGroundTruth


def values_in(ids: np.ndarray) -> list[int]:
    """Return the distinct values of an id map in order, from the starts of runs of equal pixels."""
    pixels = ids.ravel()
    starts = pixels[1:][pixels[1:] != pixels[:-1]]
    return np.unique(np.append(starts, pixels[:1])).tolist()
