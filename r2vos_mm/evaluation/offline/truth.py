"""Annotated masks on disk, and which sentence is about which of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from r2vos_mm.utils.expressions_file import frame_order, normalise_sentence, read_expressions
from r2vos_mm.utils.files import read_json

from .mask_files import MaskFileError, decode_rle, open_masks

VOID = 255
_MASK_DICT = 'mask_dict.json'
_EXPRESSIONS = 'meta_expressions.json'


@dataclass(frozen=True)
class PairTask:
    """One pair to score.

    Attributes:
        pair_id, kind, sentence, is_negative: see :class:`r2vos_mm.evaluation.metrics.PairRow`.
        folder: where its predictions lie.
        target: ids of the objects the sentence is about; none for negatives.
        sentence_type: ``type_id`` of ReVOS, None where the file has none.
    """

    pair_id: str
    folder: str
    sentence: str = ''
    kind: str = 'positive'
    is_negative: bool = False
    target: tuple[str, ...] = ()
    sentence_type: int | None = None


@dataclass(frozen=True)
class VideoTask:
    """One video to score: its frames in order and its pairs."""

    video: str
    frames: tuple[str, ...]
    pairs: tuple[PairTask, ...] = ()


def values_in(ids: np.ndarray) -> list[int]:
    """The values that occur in an array of uint8, in order; counting is faster than sorting."""
    return np.flatnonzero(np.bincount(ids.ravel(), minlength=256)).tolist()


class Truth(ABC):
    """Annotated masks of a data set.

    Attributes:
        has_all_objects: whether :meth:`object_masks` gives every annotated object, not only those
            that a sentence is about.
    """

    has_all_objects = False

    @abstractmethod
    def object_masks(self, task: VideoTask, index: int) -> dict[str, np.ndarray]:
        """Masks (H, W) bool of the objects in frame ``index``, by object id.

        Raises:
            MaskFileError: the annotation is missing or broken.
        """

    @abstractmethod
    def shape(self, task: VideoTask) -> tuple[int, int]:
        """(H, W) of the masks of a video."""

    @abstractmethod
    def refuse_binary(self, task: VideoTask) -> None:
        """Raise MaskFileError if a video without any object holds masks of 0 and 255."""


class PngTruth(Truth):
    """``<root>/<video>/<frame>.png`` with object ids as values, 255 for void.

    Args:
        root: folder or zip.
    """

    has_all_objects = True

    def __init__(self, root: Path) -> None:
        self.files = open_masks(root)

    def id_map(self, task: VideoTask, index: int) -> np.ndarray:
        """Object ids (H, W) uint8 of one frame."""
        ids = self.files.read(task.video, task.frames[index], index)
        if ids is None:
            raise MaskFileError(
                f'{self.files.path} has no annotation {task.video}/{task.frames[index]}.png'
            )
        return ids

    def object_masks(self, task: VideoTask, index: int) -> dict[str, np.ndarray]:
        """See :meth:`Truth.object_masks`."""
        ids = self.id_map(task, index)
        return {str(value): ids == value for value in values_in(ids) if value not in (0, VOID)}

    def shape(self, task: VideoTask) -> tuple[int, int]:
        """See :meth:`Truth.shape`."""
        return self.id_map(task, 0).shape

    def number_of_objects(self, task: VideoTask) -> int:
        """The highest id in the first frame, as the DAVIS code has it.

        Raises:
            MaskFileError: there is none.
        """
        ids = self.id_map(task, 0)
        highest = int(ids[ids != VOID].max(initial=0))
        if not highest:
            self.refuse_binary(task)
            raise MaskFileError(f'the first annotated frame of {task.video} has no object')
        return highest

    def refuse_binary(self, task: VideoTask) -> None:
        """See :meth:`Truth.refuse_binary`."""
        for index, frame in enumerate(task.frames):
            if (self.id_map(task, index) == VOID).any():
                raise MaskFileError(
                    f'the annotation {self.files.path}/{task.video} has no object ids, but the '
                    f'value {VOID} (frame {frame}): write ids 1, 2, ... instead of 0/{VOID} masks'
                )


class MevisTruth(Truth):
    """``mask_dict.json`` of MeViS: a list of run-length codes, one per frame, for each object.

    Args:
        path: the file. It is read once and shared by processes that are forked afterwards.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def object_masks(self, task: VideoTask, index: int) -> dict[str, np.ndarray]:
        """See :meth:`Truth.object_masks`."""
        masks = {}
        for name in {name for pair in task.pairs for name in pair.target}:
            codes = self._codes(name)
            if len(codes) != len(task.frames):
                raise MaskFileError(
                    f'{self.path}: annotation {name} of video {task.video} has {len(codes)} '
                    f'masks for {len(task.frames)} frames'
                )
            if codes[index] is not None:
                where = f'{self.path}: annotation {name}, frame {index}'
                masks[name] = decode_rle(codes[index], where) > 0
        return masks

    def shape(self, task: VideoTask) -> tuple[int, int]:
        """See :meth:`Truth.shape`."""
        names = [name for pair in task.pairs for name in pair.target]
        for code in (code for name in names for code in self._codes(name)):
            if code is not None:
                return tuple(code['size'])
        raise MaskFileError(f'{self.path}: video {task.video} has no mask that tells its size')

    def refuse_binary(self, task: VideoTask) -> None:
        """See :meth:`Truth.refuse_binary`; a code has no values that could be wrong."""

    def _codes(self, name: str) -> list[Any]:
        """The codes of one object."""
        content = _mask_dict(self.path)
        if name not in content:
            raise MaskFileError(f'{self.path} has no annotation {name}')
        return content[name]


@lru_cache(maxsize=1)
def _mask_dict(path: Path) -> dict[str, list[Any]]:
    """The parsed ``mask_dict.json``, several hundred MB for MeViS."""
    return read_json(path)


def expression_tasks(expressions: Path) -> list[VideoTask]:
    """One pair per sentence of a ``meta_expressions.json`` with object ids.

    Raises:
        ValueError: a sentence has neither ``obj_id`` nor ``anno_id``: what is scored by a server
            cannot be scored here.
    """
    tasks = []
    for video, entry in sorted(read_expressions(expressions).items()):
        pairs = tuple(
            PairTask(
                pair_id=f'{video}/{exp_id}/p',
                folder=f'{video}/{exp_id}',
                sentence=item.get('exp', ''),
                target=_target(item, f'{expressions}: video {video!r}, expression {exp_id!r}'),
                sentence_type=item.get('type_id'),
            )
            for exp_id, item in entry['expressions'].items()
        )
        tasks.append(VideoTask(video, tuple(entry['frames']), pairs))
    return tasks


def pair_tasks(expressions: Path, pairs: Path) -> list[VideoTask]:
    """Positive and negative pairs of a pairs file, by the video they are shown on.

    Predictions of a positive pair lie in ``<video>/<exp_id>``, those of a negative one in
    ``<video>/<exp_video>_<exp_id>_n<rank>``. In MeViS, whose targets are unions, the target is that
    of the video's own sentence, as in ``MeViSDataset``.
    """
    content = read_json(pairs)
    if not isinstance(content, dict) or content.get('format') != 'r2-pairs/1':
        raise ValueError(f'{pairs} is not a pairs file of the format r2-pairs/1')
    entries = read_expressions(expressions)
    frames = {video: tuple(entry['frames']) for video, entry in entries.items()}
    by_video: dict[str, list[PairTask]] = defaultdict(list)
    seen: set[str] = set()
    for number, row in enumerate(content.get('pairs', [])):
        try:
            video = row['video']
            own = entries.get(video, {}).get('expressions', {}).get(row['exp_id'], {})
            task = _pair_task(row, own, f'{pairs}: pair {row["pair_id"]!r}')
        except (KeyError, TypeError) as error:
            raise ValueError(f'{pairs}: row {number} is no pair, {error!r}') from error
        if task.pair_id in seen:
            raise ValueError(f'{pairs}: pair id {task.pair_id!r} occurs twice (row {number})')
        seen.add(task.pair_id)
        by_video[video].append(task)
    unknown = sorted(set(by_video) - set(frames))
    if unknown:
        raise ValueError(f'{pairs} names videos that {expressions} does not list: {unknown[:10]}')
    return [VideoTask(video, frames[video], tuple(by_video[video])) for video in sorted(by_video)]


def _pair_task(row: dict, own: dict, where: str) -> PairTask:
    """The task of one row of a pairs file; ``own``: the video's sentence of that number."""
    shown = row['label'] == 1
    key = row['exp_id'] if shown else f'{row["exp_video"]}_{row["exp_id"]}_n{row["rank"]}'
    if shown and 'anno_id' in own:
        if normalise_sentence(own['exp']) != normalise_sentence(row['exp']):
            raise ValueError(
                f'{where} has the sentence {row["exp"]!r}, the video has {own["exp"]!r} under that '
                'number: pairs and sentences are of different versions'
            )
        row = row | own
    negative = not shown or own.get('anno_id') == []
    return PairTask(
        pair_id=row['pair_id'],
        folder=f'{row["video"]}/{key}',
        sentence=row['exp'],
        kind=row['kind'],
        is_negative=negative,
        target=() if negative else _target(row, where),
    )


def folder_tasks(root: Path) -> list[VideoTask]:
    """One task per folder of PNGs, without pairs: the frames are the files.

    Raises:
        FileNotFoundError: there is no folder of PNGs.
    """
    tasks = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        names = sorted((path.stem for path in folder.glob('*.png')), key=frame_order)
        if names:
            tasks.append(VideoTask(folder.name, tuple(names)))
    if not tasks:
        raise FileNotFoundError(f'{root} has no folders of PNGs: it should hold one per video')
    return tasks


def find_truth(root: Path, expressions: Path | None, pairs: Path | None) -> tuple[Truth, list]:
    """Annotation and tasks of a folder of MeViS or of the Refer-YouTube-VOS layout.

    Args:
        root: folder with ``mask_dict.json``, or with one folder of PNGs per video.
        expressions: ``meta_expressions.json`` with object ids; not needed for MeViS.
        pairs: pairs file, None for the sentences of ``expressions``.

    Raises:
        FileNotFoundError, ValueError: something is missing or not understood.
    """
    is_mevis = (root / _MASK_DICT).is_file()
    if expressions is None and is_mevis:
        expressions = root / _EXPRESSIONS
    if expressions is None:
        raise FileNotFoundError(
            f'{root} has no {_MASK_DICT}: give the sentences with --expressions '
            f'{_EXPRESSIONS} (the form with obj_id)'
        )
    if not root.is_dir():
        raise FileNotFoundError(f'{root} is not a folder of annotations')
    tasks = expression_tasks(expressions) if pairs is None else pair_tasks(expressions, pairs)
    return (MevisTruth(root / _MASK_DICT) if is_mevis else PngTruth(root)), tasks


def _target(item: dict, where: str) -> tuple[str, ...]:
    """Ids of the objects of a sentence: all of ``anno_id``, or the one of ``obj_id``."""
    if 'anno_id' in item:
        return tuple(map(str, item['anno_id']))
    value = item.get('obj_id')
    if value is None or value == '':
        raise ValueError(
            f'{where} has no obj_id: only sentences whose object is known can be scored here'
        )
    return (str(int(value)),)
