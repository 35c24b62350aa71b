"""Read the masks of a clip's objects from PNGs, run-length codes or polygons, frame by frame.

A frame's masks pass through the image transforms as one label map. That of a PNG has object ids.
Where expressions are about several objects, or objects overlap, the map has one bit for each
*target*, the object or objects of an expression.
"""

from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.masks_io import decode_polygons, decode_rle, read_label_png
from r2vos_mm.utils.shared_list import SharedList
from r2vos_mm.utils.storage.paths import StoredPath, storage_path

BITS = 8
JOINT = '+'  # joins the names of the objects that a target is the union of


class TargetMasks(metaclass=ABCMeta):
    """The masks of a clip's targets in one frame, read on demand."""

    @abstractmethod
    def read(self, target: str, height: int, width: int) -> np.ndarray:
        """Return the mask of a target in a frame of this size, bool (H, W).

        Raises:
            DataFileError: it cannot be read, or belongs to a frame of another size.
        """

    def stored(self, backend_args: Mapping[str, Any]) -> 'TargetMasks':
        """Return the masks with their files in a storage backend, unless they are in one."""
        return self

    def label_map(self, targets: Sequence[str], height: int, width: int) -> np.ndarray:
        """Return the masks of all targets as a map of bits, see :func:`pack_bits`.

        Raises:
            DataFileError: see :meth:`read`.
        """
        return pack_bits(np.stack([self.read(target, height, width) for target in targets]))


@dataclass(frozen=True)
class PngMasks(TargetMasks):
    """A palette or grey PNG of object ids; if ``is_optional``, a missing file shows no object."""

    path: Path | StoredPath
    is_optional: bool = False

    def stored(self, backend_args: Mapping[str, Any]) -> 'PngMasks':
        """See the base class."""
        return replace(self, path=storage_path(self.path, backend_args))

    def read(self, target: str, height: int, width: int) -> np.ndarray:
        """See the base class; '' stands for no object."""
        return (self.label_map((), height, width) == int(target or 0)) & (target != '')

    def label_map(self, targets: Sequence[str], height: int, width: int) -> np.ndarray:
        """Return the object ids (H, W) uint8 of all objects, regardless of the targets."""
        if self.is_optional and not self.path.is_file():
            return np.zeros((height, width), np.uint8)
        return checked_size(read_label_png(self.path), height, width, str(self.path))


@dataclass(frozen=True)
class ObjectPngMasks(TargetMasks):
    """One PNG for each object, whose pixels above 0 are the object.

    Attributes:
        paths: {target: its PNG}; a target without one is not visible.
    """

    paths: Mapping[str, Path | StoredPath]

    def stored(self, backend_args: Mapping[str, Any]) -> 'ObjectPngMasks':
        """See the base class."""
        paths = self.paths.items()
        return ObjectPngMasks({target: storage_path(path, backend_args) for target, path in paths})

    def read(self, target: str, height: int, width: int) -> np.ndarray:
        """See the base class."""
        if target not in self.paths:
            return np.zeros((height, width), bool)
        path = self.paths[target]
        return checked_size(read_label_png(path), height, width, str(path)) > 0


@dataclass(frozen=True)
class CodedMasks(TargetMasks):
    """Masks in COCO's form: polygons, or run-length codes, compressed or not.

    Attributes:
        codes: {target: the codes whose union it is}; a target without codes is not visible.
        where: name of the frame for messages.
    """

    codes: Mapping[str, Sequence[Any]]
    where: str

    def read(self, target: str, height: int, width: int) -> np.ndarray:
        """See the base class."""
        mask = np.zeros((height, width), bool)
        for code in self.codes.get(target, ()):
            mask |= decode_code(code, height, width, self.where)
        return mask


class MaskCodes:
    """The run-length codes of all annotations, stored so that worker processes share them.

    The target of an expression is the ids of its annotations joined by '+'.

    Args:
        content: {annotation id: [code or None per frame]}.
        frames: {video: names of its frames}, in the order of the codes.
        where: name of the file for messages.
    """

    def __init__(
        self, content: Mapping[str, list], frames: Mapping[str, Iterable[str]], where: str
    ) -> None:
        self._rows = {anno_id: row for row, anno_id in enumerate(content)}
        self._codes, self._where = SharedList(content.values()), where
        self._frame_index = {
            video_id: {frame: i for i, frame in enumerate(listed)}
            for video_id, listed in frames.items()
        }

    def of_clip(
        self, video_id: str, frames: Sequence[str], targets: Sequence[str]
    ) -> list[CodedMasks]:
        """Return the masks of each target in T frames; null codes are empty."""
        lists = {
            target: [self._codes[self._rows[anno_id]] for anno_id in target.split(JOINT)]
            for target in targets
            if target
        }
        clip = []
        for frame in frames:
            i = self._frame_index[video_id][frame]
            codes = {
                target: [codes[i] for codes in listed if codes[i] is not None]
                for target, listed in lists.items()
            }
            place = f'image {video_id}' if frame == video_id else f'video {video_id}, frame {frame}'
            clip.append(CodedMasks(codes, f'{self._where}, {place}'))
        return clip


def decode_code(code: Any, height: int, width: int, where: str) -> np.ndarray:
    """Return the mask (H, W) bool of polygons or of a run-length code.

    Raises:
        DataFileError: the code is broken, or belongs to another size.
    """
    if isinstance(code, list):
        return decode_polygons(code, (height, width), where)
    return checked_size(decode_rle(code, where), height, width, where)


def checked_size(mask: np.ndarray, height: int, width: int, where: str) -> np.ndarray:
    """Return the mask if it fits the frame; else raise DataFileError."""
    if mask.shape != (height, width):
        raise DataFileError(
            f'{where} has a mask of size {mask.shape}, its frame {(height, width)} (height, width):'
            ' frames and masks must come from the same release'
        )
    return mask


def pack_bits(masks: np.ndarray) -> np.ndarray:
    """Pack masks (K, H, W) bool into uint8 (H, W) for up to 8, else (H, W, ceil(K / 8)).

    >>> pack_bits(np.array([[[True, False]], [[True, True]]])).tolist()
    [[3, 2]]
    """
    planes = np.packbits(masks, axis=0, bitorder='little')
    return planes[0] if len(planes) == 1 else np.ascontiguousarray(planes.transpose(1, 2, 0))


def unpack_bits(maps: np.ndarray, count: int) -> np.ndarray:
    """Unpack the masks, bool (K, T, H, W), of T maps (T, H, W) or (T, H, W, planes)."""
    planes = maps[..., None] if maps.ndim == 3 else maps
    return np.stack([(planes[..., k // BITS] >> k % BITS & 1).astype(bool) for k in range(count)])


def masks_of_objects(
    maps: np.ndarray, obj_ids: Sequence[str], targets: Sequence[str] | None = None
) -> np.ndarray:
    """Return one mask per id, bool (P, T, H, W), all-zero for the id ''.

    Args:
        maps: label maps (T, H, W) or (T, H, W, planes) uint8.
        obj_ids: the P ids.
        targets: meaning of the bits of the maps; None: the maps hold object ids.
    """
    if targets is not None:
        known = unpack_bits(maps, len(targets))
        nothing = np.zeros(maps.shape[:3], bool)
        return np.stack([known[targets.index(i)] if i else nothing for i in obj_ids])
    ids = np.array([int(obj_id or 0) for obj_id in obj_ids], np.uint8)
    masks = maps[None] == ids[:, None, None, None]
    masks[ids == 0] = False
    return masks
