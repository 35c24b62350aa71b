"""Read annotated masks of videos from PNGs of object ids and from ``mask_dict.json`` of MeViS."""

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.masks_io import decode_rle, read_mask_dict

from .mask_files import open_masks

VOID = 255
# Return the parsed ``mask_dict.json``, several hundred MB for MeViS.
_mask_dict = lru_cache(maxsize=1)(read_mask_dict)


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
        for name in names:
            if len(content.get(name, ())) != len(task.frames):
                raise DataFileError(
                    f'{self.path}: annotation {name} of video {task.video} has '
                    f'{len(content.get(name, ()))} masks for {len(task.frames)} frames'
                )
        return {name: content[name] for name in names}


GroundTruth = PngGroundTruth | MevisGroundTruth


def values_in(ids: np.ndarray) -> list[int]:
    """Return the distinct values of an id map in order, from the starts of runs of equal pixels."""
    pixels = ids.ravel()
    starts = pixels[1:][pixels[1:] != pixels[:-1]]
    return np.unique(np.append(starts, pixels[:1])).tolist()
