"""Load A2D-Sentences: actors and actions in videos, a few annotated frames each."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import DataFileError, ProblemList
from r2vos_mm.utils.files import read_text, stems
from r2vos_mm.utils.formats.expressions import is_plain_name, normalize_text
from r2vos_mm.utils.lazy import import_extra
from r2vos_mm.utils.storage.paths import as_source, as_text

from ..io.annotations import read_rows
from ..io.mask_sources import checked_size
from ..records import Expression, VideoRecord
from .annotated_frame_dataset import AnnotatedExpression, AnnotatedFrame, AnnotatedFrameDataset

CLIP_FOLDERS = ('Release/clips320H', 'Release/CLIPS320')
VIDEO_SET = 'Release/videoset.csv'
QUERIES = 'text_annotations/a2d_annotation.txt'
KNOWN_BAD_INSTANCE = '1 (copy)'
MISSED = 'text_annotations/a2d_missed_videos.txt'
INSTANCES = 'text_annotations/a2d_annotation_with_instances'
LIST_FORM = '[query, video, frame, instance]'
SUBSETS = dict(train='0', test='1')
_VIDEO_SET_COLUMNS = 9


class Entry(NamedTuple):
    """A query about an instance in an annotated frame, which counts from 1."""

    query: str
    video: str
    frame: int
    instance: int


@DATASETS.register_module()
class A2DSentencesDataset(AnnotatedFrameDataset):
    """A2D-Sentences, one record per annotated frame.

    ::

        <data_root>/Release/videoset.csv                 lengths and train/test
        <data_root>/Release/clips320H/<video>.mp4        or CLIPS320
        <data_root>/text_annotations/a2d_annotation.txt  video_id,instance_id,query
        <data_root>/text_annotations/a2d_annotation_with_instances/<video>/<frame>.h5
        <data_root>/a2d_sentences_single_frame_<split>_annotations.json   optional

    The last file, MTTR's list, is optional: without it the list is made by MTTR's rule, every frame
    file of a video that lists the expression's instance. Expressions are named ``i_<instance>``:
    joined to the record's name by '_' they are the image ids of the benchmark's result files.

    Args:
        split: ``'train'`` or ``'test'``.
        ann_file: another list in MTTR's form, relative to ``data_root``.
        **kwargs: see :class:`AnnotatedFrameDataset`.

    Raises:
        ImportError: h5py is not installed.
    """

    METAINFO = dict(dataset_name='a2d_sentences')
    ANN_FILE = 'a2d_sentences_single_frame_{split}_annotations.json'

    def __init__(self, *, split: str = 'train', **kwargs: Any) -> None:
        if split not in SUBSETS:
            raise ValueError(f'A2D-Sentences has the splits {", ".join(SUBSETS)}, not {split!r}')
        import_extra('h5py', 'a2d')  # before an epoch begins, not in a worker
        super().__init__(split=split, **kwargs)

    def listed(self, problems: ProblemList) -> Iterable[AnnotatedExpression]:
        """See the base class; a video of unknown length ends at its annotated frame."""
        path, root = self.ann_path, self.root
        lengths, clips = read_lengths(root / VIDEO_SET, self.split, problems), clip_folder(root)
        entries = list(
            read_rows(path, _parse, LIST_FORM, problems)
            if path.is_file()
            else rebuild_list(root, lengths.keys(), problems)
        )
        for video in sorted({entry.video for entry in entries} - lengths.keys()):
            problems.add(video, f'is not in {VIDEO_SET} as {self.split}', 'its length is unknown')
        for query, video, frame, instance in entries:
            yield AnnotatedExpression(
                Expression(f'i_{instance}', normalize_text(query), str(instance)),
                video,
                frame,
                max(lengths.get(video, frame), frame),
                clips / f'{video}.mp4',
                InstanceFile(root / INSTANCES / video / f'{frame:05d}.h5'),
            )

    def frame_keys(self, video: VideoRecord, frames: Sequence[str]) -> dict[str, Any]:
        """See the base class; the frames are decoded by ``DecodeVideoFrames``."""
        path = as_text(video.frame_dir / f'{video.source}{video.frame_suffix}')
        return dict(
            video_path=path,
            video_frames=[int(frame) - 1 for frame in frames],
            img_path=[f'{path}#{frame}' for frame in frames],
        )


@dataclass(frozen=True)
class InstanceFile(AnnotatedFrame):
    """The masks of an h5 file of A2D; objects are the numbers of its instances."""

    path: Path

    def objects(self) -> list[str]:
        """See the base class."""
        return _names(*self._read('instance'))

    def read(self, target: str, height: int, width: int) -> np.ndarray:
        """See the base class; all-zero if the file does not list the instance."""
        numbers, masks = self._read('instance', 'reMask')
        instances = _names(numbers)
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

    def _read(self, *names: str) -> list[np.ndarray]:
        """Return arrays of the file; raise DataFileError for broken and missing content."""
        try:
            with import_extra('h5py', 'a2d').File(as_source(self.path), 'r') as file:
                return [np.asarray(file[name]) for name in names]
        except (OSError, KeyError) as error:
            raise DataFileError(
                f'{self.path} cannot be read ({error}): download the annotations again'
            ) from error


def _names(numbers: np.ndarray) -> list[str]:
    return [str(int(number)) for number in numbers.ravel()]


def clip_folder(root: Path) -> Path:
    """Return the folder of the videos, which has two names.

    Raises:
        FileNotFoundError: it does not exist.
    """
    for name in CLIP_FOLDERS:
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(
        f'{root} has no folder {" or ".join(CLIP_FOLDERS)}: unpack the videos (docs/datasets.md)'
    )


def read_lengths(path: Path, split: str, problems: ProblemList) -> dict[str, int]:
    """Return {video: number of frames} of the videos of a split.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    lengths = {}
    for number, row in _csv_rows(path):
        if len(row) < _VIDEO_SET_COLUMNS or not row[6].strip().isdecimal():
            problems.add(f'{path.name}: line {number}', 'is not a row of 9 columns', 'row skipped')
        elif row[8].strip() == SUBSETS[split]:
            lengths[row[0].strip()] = int(row[6])
    return lengths


def read_a2d_queries(root: Path, problems: ProblemList) -> dict[str, list[tuple[int, str]]]:
    """Return {video: [(instance, query)]} of ``a2d_annotation.txt`` without the missed videos.

    Rows whose instance is not a number are skipped; the owners' file has one.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    missed, path = root / MISSED, root / QUERIES
    skipped = set(read_text(missed).split()) if missed.is_file() else set()
    queries: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for number, row in _csv_rows(path):
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
            # Commas in the query do not separate columns.
            queries[row[0]].append((int(row[1]), ','.join(row[2:])))
    return dict(queries)


def rebuild_list(root: Path, videos: Iterable[str], problems: ProblemList) -> Iterator[Entry]:
    """Make the list by MTTR's rule: each frame file of a video that lists the query's instance.

    Raises:
        FileNotFoundError: the file of queries does not exist.
        DataFileError: a frame file cannot be read.
    """
    queries = read_a2d_queries(root, problems)
    for video in videos:
        folder = root / INSTANCES / video
        frames = sorted(stems(folder, '.h5')) if video in queries and folder.is_dir() else ()
        for path in (folder / f'{frame}.h5' for frame in frames):
            if not path.stem.isdecimal():
                problems.add(video, f'{path.name} is not named by a frame number', 'file skipped')
                continue
            present = InstanceFile(path).objects()
            for instance, query in queries[video]:
                if str(instance) in present:
                    yield Entry(query, video, int(path.stem), instance)


def _parse(row: Any) -> Entry | None:
    query, video, frame, instance = row
    is_usable = is_plain_name(video) and query.strip() and int(frame) > 0
    return Entry(query, video, int(frame), int(instance)) if is_usable else None


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Return the numbered rows of a CSV file."""
    return enumerate(csv.reader(io.StringIO(read_text(path), newline='')), start=1)
