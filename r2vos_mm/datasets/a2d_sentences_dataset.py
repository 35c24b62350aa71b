"""Load A2D-Sentences: actors and actions in videos, a few annotated frames each."""

import csv
import importlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import DataFileError, ProblemList
from r2vos_mm.utils.expressions_file import is_plain_name, normalise_sentence

from .annotated_frame_dataset import SentenceClips
from .io.annotations import read_rows
from .io.mask_sources import TargetMasks, checked_size
from .records import Expression, VideoRecord

CLIP_FOLDERS = ('Release/clips320H', 'Release/CLIPS320')
VIDEO_SET = 'Release/videoset.csv'
SENTENCES = 'text_annotations/a2d_annotation.txt'
KNOWN_BAD_INSTANCE = '1 (copy)'
MISSED = 'text_annotations/a2d_missed_videos.txt'
INSTANCES = 'text_annotations/a2d_annotation_with_instances'
LIST_FILE = 'a2d_sentences_single_frame_{split}_annotations.json'
LIST_FORM = '[query, video, frame, instance]'
SUBSETS = dict(train='0', test='1')
_VIDEO_SET_COLUMNS = 9


@dataclass(frozen=True)
class Annotated:
    """An expression about an instance in an annotated frame, which counts from 1."""

    query: str
    video: str
    frame: int
    instance: int


@DATASETS.register_module()
class A2DSentencesDataset(SentenceClips):
    """A2D-Sentences, one record per annotated frame.

    ::

        <data_root>/Release/videoset.csv                 lengths and train/test
        <data_root>/Release/clips320H/<video>.mp4        or CLIPS320
        <data_root>/text_annotations/a2d_annotation.txt  video_id,instance_id,query
        <data_root>/text_annotations/a2d_annotation_with_instances/<video>/<frame>.h5
        <data_root>/a2d_sentences_single_frame_<split>_annotations.json   optional

    MTTR's list in the last file is used if it exists. Otherwise it is made by MTTR's rule: every
    frame file of a video that lists the expression's instance.

    Records are named ``v_<video>_f_<frame>`` and expressions ``i_<instance>``, so that joined by
    '_' they are the image ids of the benchmark's result files. Masks need h5py.

    Args:
        split: ``'train'`` or ``'test'``.
        ann_file: another list in MTTR's form, relative to ``data_root``.
        **kwargs: see :class:`SentenceClips`.

    Raises:
        FileNotFoundError, ValueError: a file of the dataset is missing or not understood.
        ImportError: h5py is not installed.
    """

    METAINFO = dict(dataset_name='a2d_sentences')

    def __init__(
        self, *, data_root: str, split: str = 'train', ann_file: str = '', **kwargs: Any
    ) -> None:
        if split not in SUBSETS:
            raise ValueError(f'A2D-Sentences has the splits {", ".join(SUBSETS)}, not {split!r}')
        self.split = split
        h5py_module()  # before an epoch begins, not in a worker
        super().__init__(
            data_root=data_root, ann_file=ann_file or LIST_FILE.format(split=split), **kwargs
        )

    def load_videos(self) -> list[VideoRecord]:
        """See the base class."""
        root, problems = Path(self.data_root), ProblemList(self.data_root)
        lengths = read_lengths(root / VIDEO_SET, self.split, problems)
        path = Path(self.ann_file)
        entries = (
            read_rows(path, _parse, LIST_FORM, problems)
            if path.is_file()
            else rebuild_list(root, lengths.keys(), problems)
        )
        by_frame: dict[tuple[str, int], list[Annotated]] = defaultdict(list)
        for entry in entries:
            by_frame[entry.video, entry.frame].append(entry)
        folder = clip_folder(root)
        records = [self._record(folder, lengths, listed, problems) for listed in by_frame.values()]
        problems.report()
        return [record for record in records if record is not None]

    def _record(
        self,
        folder: Path,
        lengths: dict[str, int],
        listed: Sequence[Annotated],
        problems: ProblemList,
    ) -> VideoRecord | None:
        """Return the record of one annotated frame, None if a file is missing."""
        video, frame = listed[0].video, listed[0].frame
        masks = Path(self.data_root) / INSTANCES / video / f'{frame:05d}.h5'
        path = folder / f'{video}.mp4'
        for file in (path, masks):
            if not file.is_file():
                problems.add(video, f'{file} is missing', f'frame {frame} skipped')
                return None
        if video not in lengths:
            problems.add(video, f'is not in {VIDEO_SET} as {self.split}', 'its length is unknown')
        expressions = {
            entry.instance: Expression(
                f'i_{entry.instance}', normalise_sentence(entry.query), str(entry.instance)
            )
            for entry in listed
        }
        record = VideoRecord(f'v_{video}_f_{frame}', (), path, None, tuple(expressions.values()))
        return self.clip_record(
            record, video=video, frame=frame, total=max(lengths.get(video, frame), frame)
        )

    def frame_keys(self, video: VideoRecord, frames: Sequence[str]) -> dict[str, Any]:
        """See the base class; the frames are decoded by ``DecodeVideoFrames``."""
        return dict(
            video_path=str(video.frame_dir),
            video_frames=[int(frame) - 1 for frame in frames],
            img_path=[f'{video.frame_dir}#{frame}' for frame in frames],
        )

    def target_masks(self, video: VideoRecord, frame: str) -> TargetMasks:
        """See the base class."""
        return InstanceFile(Path(self.data_root) / INSTANCES / video.source / f'{frame}.h5')

    def objects_of(self, video: VideoRecord) -> Sequence[str]:
        """Return all instances of the annotated frame, with an expression or without."""
        return self.target_masks(video, self._annotated[video.video_id]).instances()


@dataclass(frozen=True)
class InstanceFile(TargetMasks):
    """The masks of an h5 file of A2D; targets are the numbers of its instances."""

    path: Path

    def instances(self) -> list[str]:
        """Return the numbers of the instances.

        Raises:
            DataFileError: the file cannot be read.
        """
        with self._content() as file:
            return _instances(file)

    @contextmanager
    def _content(self) -> Iterator[Any]:
        """Open the file; broken and missing content becomes a ``DataFileError``."""
        try:
            with h5py_module().File(self.path, 'r') as file:
                yield file
        except (OSError, KeyError) as error:
            raise DataFileError(
                f'{self.path} cannot be read ({error}): download the annotations again'
            ) from error

    def read(self, target: str, height: int, width: int) -> np.ndarray:
        """See the base class; all-zero if the file does not list the instance."""
        with self._content() as file:
            instances, masks = _instances(file), np.asarray(file['reMask'])
        # (W, H) of a single instance, (N, W, H) of several.
        masks = masks.reshape(-1, *masks.shape[-2:]).transpose(0, 2, 1)
        if target not in instances:
            return np.zeros((height, width), bool)
        if len(masks) != len(instances):
            raise DataFileError(
                f'{self.path} has {len(masks)} masks for {len(instances)} '
                'instances: download the annotations again'
            )
        return checked_size(masks[instances.index(target)] > 0, height, width, str(self.path))


def h5py_module() -> ModuleType:
    """Return h5py.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return importlib.import_module('h5py')
    except ImportError as error:
        raise ImportError(
            'the masks of A2D-Sentences are h5 files: pip install h5py, or '
            "pip install 'r2vos_mm[a2d]'"
        ) from error


def clip_folder(root: Path) -> Path:
    """Return the folder of the videos, which has two names.

    Raises:
        FileNotFoundError: it does not exist.
    """
    for name in CLIP_FOLDERS:
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(
        f'{root} has no folder {" or ".join(CLIP_FOLDERS)}: unpack the videos '
        'of A2D there, see docs/datasets.md'
    )


def read_lengths(path: Path, split: str, problems: ProblemList) -> dict[str, int]:
    """Return {video: number of frames} of the videos of a split.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    lengths = {}
    for number, row in enumerate(csv.reader(_text(path).splitlines()), start=1):
        if len(row) < _VIDEO_SET_COLUMNS or not row[6].strip().isdecimal():
            problems.add(f'{path.name}: line {number}', 'is not a row of 9 columns', 'row skipped')
        elif row[8].strip() == SUBSETS[split]:
            lengths[row[0].strip()] = int(row[6])
    return lengths


def _parse(row: Any) -> Annotated | None:
    query, video, frame, instance = row
    entry = Annotated(query, video, int(frame), int(instance))
    return entry if is_plain_name(video) and query.strip() and entry.frame > 0 else None


def read_sentences(root: Path, problems: ProblemList) -> dict[str, list[tuple[int, str]]]:
    """Return {video: [(instance, query)]} of ``a2d_annotation.txt`` without the missed videos.

    Rows whose instance is not a number are skipped, such as one row of the owners' file.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    missed = root / MISSED
    skipped = set(missed.read_text(encoding='utf-8').split()) if missed.is_file() else set()
    sentences: dict[str, list[tuple[int, str]]] = defaultdict(list)
    path = root / SENTENCES
    for number, row in enumerate(csv.reader(_text(path).splitlines()), start=1):
        if number == 1 and row[:1] == ['video_id']:
            continue
        if len(row) < 3 or not row[1].strip().isdecimal() or not is_plain_name(row[0]):
            problems.add(
                f'{path.name}: line {number}',
                f'{",".join(row)[:80]!r} is not video_id,instance_id,query',
                'row skipped',
                is_known=row[1:2] == [KNOWN_BAD_INSTANCE],
            )
        elif row[0] not in skipped:
            # Commas in the sentence do not separate columns.
            sentences[row[0]].append((int(row[1]), ','.join(row[2:])))
    return dict(sentences)


def rebuild_list(root: Path, videos: Iterable[str], problems: ProblemList) -> list[Annotated]:
    """Make the list by MTTR's rule: each frame file of a video that lists the sentence's instance.

    Raises:
        FileNotFoundError: the file of sentences does not exist.
        DataFileError: a frame file cannot be read.
    """
    sentences = read_sentences(root, problems)
    entries = []
    for video in videos:
        frames = sorted((root / INSTANCES / video).glob('*.h5')) if video in sentences else ()
        for path in frames:
            if not path.stem.isdecimal():
                problems.add(video, f'{path.name} is not named by a frame number', 'file skipped')
                continue
            present = InstanceFile(path).instances()
            entries += [
                Annotated(query, video, int(path.stem), instance)
                for instance, query in sentences[video]
                if str(instance) in present
            ]
    return entries


def _instances(file: Any) -> list[str]:
    """Return the numbers of the instances of an open file."""
    return [str(int(value)) for value in np.asarray(file['instance']).ravel()]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8-sig')
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{path} does not exist. Check data_root of the dataset, or '
            'prepare the data as docs/datasets.md says'
        ) from None
