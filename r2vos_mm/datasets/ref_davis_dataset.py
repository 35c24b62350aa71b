"""Ref-DAVIS17: four sentences for each object, by two annotators."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from r2vos_mm.registry import DATASETS

from .r2vos_dataset import R2VOSDataset
from .records import VideoRecord

ANNOTATORS = 4


@DATASETS.register_module()
class RefDAVIS17Dataset(R2VOSDataset):
    """Ref-DAVIS17 in the layout that ReferFormer converts it to, that of Refer-YouTube-VOS.

    Sentence 4 o + k of a video is about object o + 1 in the words of annotator k: first frame and
    full video of the first, first frame and full video of the second. The protocol ``davis_unsup``
    relies on these numbers.

    The scores of the field are on the annotations of DAVIS *unsupervised*
    (``mask_folder='DAVIS/Annotations_unsupervised/480p'``), whose pixels of value 255 count for
    nobody: pack with ``PackReferringInputs(void_id=255)`` then.

    Args:
        annotators: which of the four to use, from 0.
        data_root, split, ann_file, mask_folder, pairs_file, pipeline, test_mode, ...: see
            :class:`R2VOSDataset`.

    Raises:
        FileNotFoundError, ValueError: if a file of the dataset is missing or not understood.
    """

    METAINFO = dict(dataset_name='ref_davis17')

    def __init__(self, *, annotators: Sequence[int] = range(ANNOTATORS), **kwargs: Any) -> None:
        unknown = sorted(set(annotators) - set(range(ANNOTATORS)))
        if unknown or not annotators:
            raise ValueError(
                f'annotators of Ref-DAVIS17 are 0 to {ANNOTATORS - 1}, got {list(annotators)}'
            )
        self.annotators = frozenset(annotators)
        super().__init__(**kwargs)

    def load_videos(self) -> list[VideoRecord]:
        """The usable videos, each with the sentences of the chosen annotators."""
        records = []
        for video in super().load_videos():
            expressions = tuple(
                expression
                for expression in video.expressions
                if not expression.exp_id.isdecimal()
                or int(expression.exp_id) % ANNOTATORS in self.annotators
            )
            if expressions:
                records.append(replace(video, expressions=expressions))
        return records
