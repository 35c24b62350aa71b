"""Load JHMDB-Sentences: people in action, evaluation only."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from scipy.io import loadmat

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import DataFileError, ProblemList
from r2vos_mm.utils.expressions_file import is_plain_name, normalise_sentence

from .annotated_frame_dataset import SentenceClips
from .io.annotations import read_rows
from .io.mask_sources import TargetMasks, checked_size
from .records import Expression, VideoRecord

LIST_FILE = 'jhmdb_sentences_samples_metadata.json'
FRAMES, MASKS, MASK_FILE = 'Rename_Images', 'puppet_mask', 'puppet_mask.mat'
PERSON = '1'
LIST_FORM = '[video, frame path, mask path, number of frames, sentence]'


@DATASETS.register_module()
class JHMDBSentencesDataset(SentenceClips):
    """JHMDB-Sentences, one record per frame of MTTR's list.

    ::

        <data_root>/Rename_Images/<action>/<video>/<frame>.png          from 00001
        <data_root>/puppet_mask/<action>/<video>/puppet_mask.mat        part_mask (H, W, T)
        <data_root>/jhmdb_sentences_samples_metadata.json

    MTTR drew the frames of the list, three per video, once, and published results are on them.
    Records are named ``v_<video>_f_<frame>``, the image ids of the benchmark's result files.

    Args:
        ann_file: the list, relative to ``data_root``. Defaults to
            ``jhmdb_sentences_samples_metadata.json``.
        **kwargs: see :class:`SentenceClips`.

    Raises:
        FileNotFoundError, ValueError: a file of the dataset is missing or not understood.
    """

    METAINFO = dict(dataset_name='jhmdb_sentences')

    def __init__(
        self, *, data_root: str, ann_file: str = LIST_FILE, test_mode: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(data_root=data_root, ann_file=ann_file, test_mode=test_mode, **kwargs)

    def load_videos(self) -> list[VideoRecord]:
        """See the base class."""
        problems = ProblemList(self.ann_file)
        by_frame: dict[tuple[str, int], list[_Listed]] = defaultdict(list)
        for listed in read_rows(Path(self.ann_file), _parse, LIST_FORM, problems):
            by_frame[listed.video, listed.frame].append(listed)
        records = [self._record(listed, problems) for listed in by_frame.values()]
        problems.report()
        return [record for record in records if record is not None]

    def _record(self, listed: Sequence['_Listed'], problems: ProblemList) -> VideoRecord | None:
        """Return the record of one frame, None if files are missing."""
        first, root = listed[0], Path(self.data_root)
        folder = root / FRAMES / first.action / first.video
        masks = root / MASKS / first.action / first.video
        for path in (folder / f'{first.frame:05d}.png', masks / MASK_FILE):
            if not path.is_file():
                problems.add(first.video, f'{path} is missing', f'frame {first.frame} skipped')
                return None
        expressions = tuple(
            Expression(str(i), normalise_sentence(item.query), PERSON)
            for i, item in enumerate(listed)
        )
        record = VideoRecord(
            f'v_{first.video}_f_{first.frame}', (), folder, masks, expressions, frame_suffix='.png'
        )
        return self.clip_record(record, video=first.video, frame=first.frame, total=first.total)

    def target_masks(self, video: VideoRecord, frame: str) -> TargetMasks:
        """See the base class."""
        return PuppetMask(video.mask_dir / MASK_FILE, int(frame) - 1)


@dataclass(frozen=True)
class PuppetMask(TargetMasks):
    """The mask of the person in one frame.

    Attributes:
        path: ``puppet_mask.mat``.
        index: number of the frame from 0.
    """

    path: Path
    index: int

    def read(self, target: str, height: int, width: int) -> np.ndarray:
        """See the base class; the file may have fewer masks than there are frames."""
        try:
            masks = np.asarray(loadmat(str(self.path), variable_names=['part_mask'])['part_mask'])
        except Exception as error:  # a broken file can raise almost anything
            raise DataFileError(
                f'{self.path} cannot be read as part_mask (H, W, T) ({error}): download it again'
            ) from error
        masks = masks.reshape(*masks.shape[:2], -1)  # a single mask has no last axis
        if self.index >= masks.shape[2]:
            raise DataFileError(
                f'{self.path} has {masks.shape[2]} masks, none for frame '
                f'{self.index + 1}: take the frame from the list'
            )
        return checked_size(masks[..., self.index] > 0, height, width, str(self.path))


@dataclass(frozen=True)
class _Listed:
    """A row of the list; ``frame`` counts from 1."""

    video: str
    action: str
    frame: int
    total: int
    query: str


def _parse(row: Any) -> _Listed | None:
    """Return a row; only the last parts of its paths, below the usual folders, count."""
    video, frame_path, _, total, query = row
    *_, action, folder, name = PurePosixPath(frame_path).parts
    listed = _Listed(folder, action, int(PurePosixPath(name).stem), int(total), query)
    is_usable = (
        folder == video
        and is_plain_name(action)
        and is_plain_name(folder)
        and query.strip()
        and 1 <= listed.frame <= listed.total
    )
    return listed if is_usable else None
