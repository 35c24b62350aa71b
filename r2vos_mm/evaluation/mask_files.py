"""Read predicted and annotated masks: folders of PNGs, zips of them, run-length codes in JSON."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from r2vos_mm.utils.data_issues import DataFileError, shown
from r2vos_mm.utils.files import is_side_file, read_bytes, read_json
from r2vos_mm.utils.formats.veval import (
    EXTRA,
    VevalFile,
    frame_names,
    pairs_of,
    read_veval_file,
    video_name,
)
from r2vos_mm.utils.images import MAX_PIXELS
from r2vos_mm.utils.masks_io import compressed_rle, decode_label_png, decode_rle, read_mask_dict

ANNOTATIONS = 'Annotations'
VOID = 255
MAX_OBJECTS = 100  # in a video; more are taken for grey values
_MAX_DEPTH = 6


class MaskFiles:
    """Masks in ``<path>/[<root>/]<folder>/<frame>.png``. Objects can be sent to other processes.

    Files that operating systems add are ignored, and the suffix may be in upper case.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.root = path, ''
        self._names: dict[str, dict[str, Any]] = {}

    def find_root(self, expected: Collection[str]) -> None:
        """Set ``root`` to the folder that holds the expected folders, such as ``<video>/0``.

        ``Annotations`` and ``path`` itself are tried first, then all folders below. If there is
        none, or more than one, a ValueError names what was found.
        """
        roots = []
        for self.root in ('', ANNOTATIONS):
            if any(map(self.has_folder, expected)):
                roots.append(self.root)
        self.root, folders = '', sorted(filter(None, self.folders())) if not roots else []
        if not roots:
            roots = tops_of(folders, set(expected))
        if len(roots) > 1:
            names = (str(self.path / root) for root in roots)
            raise ValueError(f'several folders hold the expected ones, give one: {shown([*names])}')
        if not roots:
            what = f'expected {shown(sorted(expected))}; found {shown(folders) or "no folders"}'
            raise ValueError(f'{self.path} does not hold the expected folders: {what}')
        self.root = roots[0]

    def read(
        self, folder: str, frame: str, index: int, size: tuple[int, int] | None = None
    ) -> np.ndarray | None:
        """Return the values (H, W) uint8 of a frame in a folder such as ``<video>/<expression>``.

        ``index`` is the position of ``frame`` among the listed ones. Without a mask the result is
        None; DataFileError is raised if the mask is broken, or, before it is decoded, not of
        ``size``. An empty mask of a JSON has this size.
        """
        name = self.names(folder).get(frame)
        if name is None:
            return None
        where = f'{self.path}/{self._below(folder)}/{frame}.png'
        return decode_label_png(self._content(name, where), where, size)

    def names(self, folder: str) -> dict[str, Any]:
        """Return the file, or code, of each frame in a folder; empty without the folder."""
        if folder not in self._names:
            path = self.path / self._below(folder)
            try:
                found = sorted(os.listdir(path)) if path.is_dir() else ()
            except OSError as error:
                raise DataFileError(f'cannot read {path} ({error})') from error
            self._names[folder] = frame_files((name, path / name) for name in found)
        return self._names[folder]

    def has_folder(self, folder: str) -> bool:
        """Return whether there is such a folder."""
        return (self.path / self._below(folder)).is_dir()

    def is_complete(self, folder: str, num_frames: int) -> bool:
        """Return whether masks without names, which are numbered, are as many as the frames."""
        names = self.names(folder)
        return 0 not in names or len(names) == num_frames

    def top(self) -> Path:
        """Return the path that holds the expected folders."""
        return self.path / self.root

    def _below(self, folder: str) -> str:
        return f'{self.root}/{folder}' if self.root else folder

    def _content(self, name: Path, where: str) -> bytes:
        """Return the bytes of a PNG."""
        try:
            return read_bytes(name)
        except OSError as error:
            raise DataFileError(f'cannot read {where} ({error})') from error

    def folders(self) -> Iterable[str]:
        """Return all folders, relative to ``path``."""
        found = level = ['']
        for _ in range(_MAX_DEPTH):
            level = [
                os.path.join(top, entry.name)
                for top in level
                for entry in os.scandir(self.path / top)
                if entry.is_dir() and not is_side_file(entry.name)
            ]
            found = found + level
        return found


class _PackedMasks(MaskFiles):
    """Masks in one file, all of whose folders are known: {folder: {frame: file or code}}."""

    def names(self, folder: str) -> dict[Any, Any]:
        return self.folders().get(self._below(folder), {})

    def has_folder(self, folder: str) -> bool:
        return self._below(folder) in self.folders()


class _PngZip(_PackedMasks):
    """PNGs in a zip, as it is submitted to a server; names may have backslashes."""

    def folders(self) -> dict[str, dict[str, zipfile.ZipInfo]]:
        return _open_zip(self.path, os.getpid())[1]

    def _content(self, name: zipfile.ZipInfo, where: str) -> bytes:
        return read_member(_open_zip(self.path, os.getpid())[0], name, where)


class _RleJson(_PackedMasks):
    """``{<video>: {<expression>: masks}}`` in JSON.

    ``masks`` is a list with one COCO run-length code per listed frame, or a mapping from frame
    names to codes; ``null`` is an empty mask. The counts of a code are text or a list of runs.
    Sa2VA writes them inside a dict, under ``prediction_masks``.
    """

    def read(
        self, folder: str, frame: str, index: int, size: tuple[int, int] | None = None
    ) -> np.ndarray | None:
        codes = self.names(folder)
        key = index if index in codes else frame
        if codes.get(key) is not None:
            where = f'{self.path}: {folder}, frame {frame}'
            return decode_rle(codes[key], where, size).view(np.uint8)
        return np.zeros(size, dtype=np.uint8) if key in codes and size else None

    def folders(self) -> dict[str, dict[Any, Any]]:
        return _read_codes(self.path)


def open_masks(path: Path, expected: Collection[str] = ()) -> MaskFiles:
    """Return the masks of a folder, a ``.zip`` or a ``.json``.

    They are at the top, in ``Annotations``, or wherever the ``expected`` folders are; see
    :meth:`MaskFiles.find_root`, also for its ValueError. FileNotFoundError or ValueError is raised
    if the path does not exist or is something else.
    """
    if path.is_dir():
        masks = MaskFiles(path)
    elif not path.is_file():
        raise FileNotFoundError(f'{path} does not exist: give a folder of PNGs, a zip or a JSON')
    elif zipfile.is_zipfile(path):
        masks = _PngZip(path)
    elif path.suffix.lower() == '.json':
        masks = _RleJson(path)
    else:
        what = 'neither a folder, a complete zip nor a JSON of run-length codes'
        raise ValueError(f'{path} is {what}')
    if expected:
        masks.find_root(expected)
    return masks


def read_member(archive: zipfile.ZipFile, file: zipfile.ZipInfo, where: str) -> bytes:
    """Return the bytes of a PNG in a zip; DataFileError if it is broken or too large for a mask."""
    if file.file_size > 2 * MAX_PIXELS:
        raise DataFileError(f'{where} has {file.file_size} bytes, too many for a mask')
    try:
        return archive.read(file)
    except Exception as error:  # of the zip and of any compression
        raise DataFileError(f'{where} is broken ({error}): zip it again') from error


def tops_of(names: Iterable[str], expected: Collection[str]) -> list[str]:
    """Return the folders above expected names, '' for none, from names that end with these."""
    cuts = ((parts, i) for parts in (name.split('/') for name in names) for i in range(len(parts)))
    return sorted({'/'.join(parts[:i]) for parts, i in cuts if '/'.join(parts[i:]) in expected})


def frame_files(names: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return what belongs to each frame, from names of PNGs and what belongs to them."""
    return {
        name[:-4].removesuffix('.png'): item
        for name, item in names
        if name[-4:].lower() == '.png' and not is_side_file(name)
    }


# If a file is parsed before a fork, all processes share it; MeViS' has several hundred MB.
_mask_dict = lru_cache(maxsize=1)(read_mask_dict)


@lru_cache(maxsize=4)
def _read_codes(path: Path) -> dict[str, dict[Any, Any]]:
    """Return the codes in each folder of a JSON by the names of frames, or by their numbers."""
    folders: dict[str, dict[Any, Any]] = {}
    left = [('', read_json(path))]
    while left:
        folder, content = left.pop()
        if isinstance(content, dict) and isinstance(content.get('prediction_masks'), list):
            content = content['prediction_masks']
        if isinstance(content, list):
            folders[folder] = dict(enumerate(content))
        elif isinstance(content, dict) and 'counts' not in content:
            folders[folder] = frame_files((f'{name}.png', content[name]) for name in content)
            left += [(f'{folder}/{name}'.lstrip('/'), content[name]) for name in content]
    return folders


@lru_cache(maxsize=4)
def _open_zip(path: Path, process: int) -> tuple[zipfile.ZipFile, dict[str, dict[str, Any]]]:
    """Return an open zip of this process, and the PNGs in its folders by the names of frames.

    A handle must not be shared across a fork. ValueError is raised for a broken zip, or if a file
    occurs twice.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise ValueError(f'{path} is not a complete zip ({error}): zip it again') from error
    folders: dict[str, dict[str, Any]] = {}
    for info in archive.infolist():
        name = info.filename.replace('\\', '/').removeprefix('./')
        folder, _, file = name.rpartition('/')
        if is_side_file(name):
            continue
        files, known = frame_files([(file, info)]), folders.setdefault(folder, {})
        if files.keys() & known.keys():
            raise ValueError(f'{path} holds {name} twice: zip it again')
        known.update(files)
        while folder:
            folder = folder.rpartition('/')[0]
            folders.setdefault(folder, {})
    return archive, folders


class PairTask(NamedTuple):
    """One pair to score; see also :class:`.metrics.pair_scores.PairScores`.

    Attributes:
        folder: folder of its predictions.
        target: ids of the objects that the expression is about; empty for negatives.
        sentence_type: ``type_id`` of ReVOS, or None.
        text_type: ``type`` of Long-RVOS, or ''.
    """

    pair_id: str
    folder: str
    expression: str = ''
    kind: str = 'positive'
    is_negative: bool = False
    target: tuple[str, ...] = ()
    sentence_type: int | None = None
    text_type: str = ''


class VideoTask(NamedTuple):
    """One video to score: its frames in order and its pairs."""

    video: str
    frames: tuple[str, ...]
    pairs: tuple[PairTask, ...] = ()

    def targets(self) -> set[str]:
        """Return the ids of the objects that the pairs are about."""
        return {name for pair in self.pairs for name in pair.target}


class FolderGroundTruth:
    """Annotation in PNGs of a folder or zip."""

    def __init__(self, files: MaskFiles) -> None:
        self.files = files
        self._sizes: dict[str, tuple[int, int]] = {}

    def shape(self, task: VideoTask) -> tuple[int, int]:
        """Return (H, W) of the masks of a video, those of its first frame."""
        if task.video not in self._sizes:
            folders = self.folders(task)
            if not folders:
                what = f'{task.video}/<object>/{task.frames[0]}.png to take its size from'
                raise DataFileError(f'{self.files.path} has no annotation {what}')
            self._sizes[task.video] = self._values(folders[0], task, 0).shape
        return self._sizes[task.video]

    def folders(self, task: VideoTask) -> list[str]:
        """Return the folders with the masks of a video."""
        return [task.video]

    def _values(self, folder: str, task: VideoTask, index: int) -> np.ndarray:
        frame = task.frames[index]
        values = self.files.read(folder, frame, index, self._sizes.get(task.video))
        if values is None:
            raise DataFileError(f'{self.files.path} has no annotation {folder}/{frame}.png')
        return values


class PngGroundTruth(FolderGroundTruth):
    """``<video>/<frame>.png``: values are object ids, 255 for void."""

    def id_map(self, task: VideoTask, index: int) -> np.ndarray:
        """Return the object ids (H, W) uint8 of one frame; DataFileError if they cannot be read."""
        ids = self._values(task.video, task, index)
        self._sizes[task.video] = ids.shape
        return ids

    def object_masks(self, task: VideoTask, index: int) -> dict[str, np.ndarray]:
        """Return the masks (H, W) bool of all annotated objects in one frame, by object id."""
        ids = self.id_map(task, index)
        return {str(value): ids == value for value in values_in(ids) if value not in (0, VOID)}

    def num_objects(self, task: VideoTask) -> int:
        """Return the highest id in the first frame, as the DAVIS code does; raise if it is 0."""
        ids = self.id_map(task, 0)
        highest = int(ids.max(initial=0, where=ids != VOID))
        if not highest:
            self.refuse_binary(task)
            raise DataFileError(f'the first annotated frame of {task.video} has no object')
        if highest > MAX_OBJECTS:
            what = f'object id {highest} in its first frame: are these grey values instead of ids?'
            raise DataFileError(f'the annotation of {task.video} has the {what}')
        return highest

    def check_objects(self, task: VideoTask, found: Collection[str]) -> None:
        """Raise DataFileError if the video has none of the objects that its pairs are about.

        ``found`` are the ids in its annotation.
        """
        targets = task.targets()
        if targets and not targets & set(found):
            if not found:
                self.refuse_binary(task)
            raise DataFileError(
                f'the annotation {self.files.path}/{task.video} has none of the objects '
                f'{shown(sorted(targets))}; it has {shown(sorted(found)) or "no objects"}'
            )

    def refuse_binary(self, task: VideoTask) -> None:
        """Raise DataFileError if a video without any object has masks of 0 and 255."""
        for index, frame in enumerate(task.frames):
            if (self.id_map(task, index) == VOID).any():
                raise DataFileError(
                    f'the annotation {self.files.path}/{task.video} has no object ids, but the '
                    f'value {VOID} (frame {frame}): write ids 1, 2, ... instead of 0/{VOID} masks'
                )


class ObjectFolderGroundTruth(FolderGroundTruth):
    """``<video>/<object>/<frame>.png`` (Long-RVOS): values above 0 are the object.

    An object without a folder is not visible in any frame.
    """

    def object_masks(self, task: VideoTask, index: int) -> dict[str, np.ndarray]:
        """Return the masks (H, W) bool of the pairs' objects in one frame, by object id."""
        self.shape(task)  # that all masks are compared with
        folders = self.folders(task)
        return {f.rpartition('/')[2]: self._values(f, task, index) > 0 for f in folders}

    def folders(self, task: VideoTask) -> list[str]:
        """Return the folders of the pairs' objects that exist."""
        folders = (f'{task.video}/{name}' for name in sorted(task.targets()))
        return [folder for folder in folders if self.files.has_folder(folder)]


class FileGroundTruth:
    """Run-length codes in one file, which is read once and shared with processes forked later."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def object_masks(self, task: VideoTask, index: int) -> dict[str, np.ndarray]:
        """Return the masks (H, W) bool of the pairs' objects in one frame, by object id."""
        where, size = f'{self.path}: annotation', self.shape(task)
        return {
            name: decode_rle(codes[index], f'{where} {name}, frame {index}', size)
            for name, codes in self.codes(task).items()
            if codes[index] is not None
        }


class MevisGroundTruth(FileGroundTruth):
    """``mask_dict.json`` of MeViS: one run-length code per frame for each object."""

    def shape(self, task: VideoTask) -> tuple[int, int]:
        """Return (H, W) of the masks of a video."""
        for code in (code for codes in self.codes(task).values() for code in codes if code):
            return tuple(compressed_rle(code, f'{self.path}: video {task.video}')['size'])
        raise DataFileError(f'{self.path}: video {task.video} has no mask, so its size is unknown')

    def codes(self, task: VideoTask) -> dict[str, list[Any]]:
        """Return the run-length codes per frame of the pairs' objects."""
        codes = {name: _mask_dict(self.path).get(name, []) for name in task.targets()}
        for name, found in codes.items():
            if len(found) != len(task.frames):
                where = f'{self.path}: annotation {name} of video {task.video}'
                raise DataFileError(f'{where} has {len(found)} masks, not {len(task.frames)}')
        return codes


class VevalGroundTruth(FileGroundTruth):
    """Tracks of a SA-Co/VEval file, by their ids."""

    def shape(self, task: VideoTask) -> tuple[int, int]:
        """Return (H, W) of the masks of a video."""
        video = _veval(self.path)[2][task.video]
        return video['height'], video['width']

    def codes(self, task: VideoTask) -> dict[str, list[Any]]:
        """Return the run-length codes per frame of the pairs' tracks."""
        return {n: _veval(self.path)[1][n]['segmentations'] for n in task.targets()}


@lru_cache(maxsize=1)
def _veval(path: Path) -> tuple[VevalFile, dict[str, dict], dict[str, dict]]:
    """Return a SA-Co/VEval file, its tracks by id and its videos by name."""
    content = read_veval_file(path)
    tracks = {str(track['id']): track for track in content.annotations}
    return content, tracks, {video_name(video): video for video in content.videos}


def veval_tasks(path: Path) -> list[VideoTask]:
    """Return the pairs of a SA-Co/VEval file, by the names of its videos.

    Predictions are in ``<video>/<id of the pair>``, or of pairs that come from a pairs file, in the
    folders of those.

    Raises:
        FileNotFoundError, ValueError: the file does not exist, is something else, or has no masks.
    """
    content, _, videos = _veval(path)
    if any(pair['num_masklets'] for pair in content.pairs) and not content.annotations:
        raise ValueError(f'{path} has no annotations: its predictions are scored by a server')
    pairs: dict[str, list[PairTask]] = {name: [] for name in videos}
    for entry, row in zip(content.pairs, pairs_of(content)['pairs']):
        target = tuple(str(track['id']) for track in content.masklets(entry))
        is_ours = 'pair_id' in entry.get(EXTRA, {})
        folder = pair_folder(row) if is_ours else f'{row["video"]}/{row["exp_id"]}'
        own = row['pair_id'], folder, row['exp'], row['kind'], row['label'] == 0, target
        pairs[row['video']].append(PairTask(*own))
    return [
        VideoTask(name, tuple(frame_names(videos[name])), tuple(pairs[name]))
        for name in sorted(pairs)
        if pairs[name]
    ]


def pair_folder(row: Mapping[str, Any]) -> str:
    """Return the folder with the predictions of a row of a pairs file.

    That of a positive pair is ``<video>/<exp_id>``, that of a negative one
    ``<video>/<exp_video>_<exp_id>_n<rank>``.
    """
    if row['label'] == 1:
        return f'{row["video"]}/{row["exp_id"]}'
    return f'{row["video"]}/{row.get("exp_video")}_{row["exp_id"]}_n{row.get("rank")}'


GroundTruth = PngGroundTruth | ObjectFolderGroundTruth | MevisGroundTruth | VevalGroundTruth


def values_in(ids: np.ndarray) -> list[int]:
    """Return the distinct values of an id map in order, from the starts of runs of equal pixels."""
    pixels = ids.ravel()
    starts = pixels[1:][pixels[1:] != pixels[:-1]]
    return np.unique(np.append(starts, pixels[:1])).tolist()
