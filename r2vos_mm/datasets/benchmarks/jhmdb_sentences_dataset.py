"""Load JHMDB-Sentences: people in action, evaluation only."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from scipy.io import loadmat

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import DataFileError, ProblemList
from r2vos_mm.utils.formats.expressions import is_plain_name, normalize_text
from r2vos_mm.utils.storage.paths import as_source

from ..io.annotations import read_rows
from ..io.mask_sources import checked_size
from ..records import Expression
from .annotated_frame_dataset import AnnotatedExpression, AnnotatedFrame, AnnotatedFrameDataset

FRAMES, MASKS, MASK_FILE = 'Rename_Images', 'puppet_mask', 'puppet_mask.mat'
PERSON = '1'
LIST_FORM = '[video, frame path, mask path, number of frames, sentence]'


@DATASETS.register_module()
class JHMDBSentencesDataset(AnnotatedFrameDataset):
    """JHMDB-Sentences, one record per frame of MTTR's list.

    ::

        <data_root>/Rename_Images/<action>/<video>/<frame>.png          from 00001
        <data_root>/puppet_mask/<action>/<video>/puppet_mask.mat        part_mask (H, W, T)
        <data_root>/jhmdb_sentences_samples_metadata.json

    MTTR drew the frames of the list, three per video, once, and published results are on them.

    Args:
        ann_file: the list, relative to ``data_root``. Defaults to
            ``jhmdb_sentences_samples_metadata.json``.
        **kwargs: see :class:`AnnotatedFrameDataset`.
    """

    METAINFO = dict(dataset_name='jhmdb_sentences')
    ANN_FILE = 'jhmdb_sentences_samples_metadata.json'

    def __init__(self, *, test_mode: bool = True, **kwargs: Any) -> None:
        super().__init__(test_mode=test_mode, **kwargs)

    def listed(self, problems: ProblemList) -> Iterable[AnnotatedExpression]:
        """See the base class."""
        return read_rows(self.ann_path, self._parse, LIST_FORM, problems)

    def _parse(self, row: Any) -> AnnotatedExpression | None:
        """Return a row; only the last parts of its paths count."""
        video, frame_path, _, total, query = row
        *_, action, folder, name = PurePosixPath(frame_path).parts
        frame, total, root = int(PurePosixPath(name).stem), int(total), self.root
        is_place = folder == video and is_plain_name(action) and is_plain_name(folder)
        if not is_place or not query.strip() or not 1 <= frame <= total:
            return None
        image = root / FRAMES / action / folder / f'{frame:05d}.png'
        masks = PuppetMask(root / MASKS / action / folder / MASK_FILE, frame - 1)
        expression = Expression('', normalize_text(query), PERSON)
        return AnnotatedExpression(expression, video, frame, total, image, masks)


@dataclass(frozen=True)
class PuppetMask(AnnotatedFrame):
    """The mask of the person in one frame.

    Attributes:
        path: ``puppet_mask.mat``.
        index: number of the frame from 0.
    """

    path: Path
    index: int

    def objects(self) -> list[str]:
        """See the base class."""
        return [PERSON]

    def read(self, target: str, height: int, width: int) -> np.ndarray:
        """See the base class; the file may have fewer masks than there are frames."""
        try:
            content = loadmat(as_source(self.path), variable_names=['part_mask'])
            masks = np.atleast_3d(content['part_mask'])  # a single mask has no last axis
        except Exception as error:  # a broken file can raise almost anything
            raise DataFileError(
                f'{self.path} cannot be read as part_mask (H, W, T) ({error}): download it again'
            ) from error
        if self.index >= masks.shape[2]:
            raise DataFileError(
                f'{self.path} has {masks.shape[2]} masks, none for frame '
                f'{self.index + 1}: take the frame from the list'
            )
        return checked_size(masks[..., self.index] > 0, height, width, str(self.path))
