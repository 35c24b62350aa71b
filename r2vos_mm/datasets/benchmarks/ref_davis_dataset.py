"""Load Ref-DAVIS17: four expressions for each object, by two annotators."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.formats.ref_davis17 import NUM_EXPRESSION_SETS, expression_set_of

from ..records import Expression, VideoRecord
from .r2vos_dataset import R2VOSDataset


@DATASETS.register_module()
class RefDAVIS17Dataset(R2VOSDataset):
    """Ref-DAVIS17 in the layout of Refer-YouTube-VOS, to which ReferFormer converts it.

    Expressions are numbered as in :mod:`~r2vos_mm.utils.formats.ref_davis17`; the protocol
    ``davis_unsup`` relies on these numbers. Published scores are on the annotations of DAVIS
    *unsupervised* (``mask_folder='DAVIS/Annotations_unsupervised/480p'``), whose pixels of value
    255 are ignored: pack them with ``PackReferringInputs(void_id=255)``.

    Args:
        annotators: which of the four expression sets to use, from 0.
        **kwargs: see :class:`R2VOSDataset`.
    """

    METAINFO = dict(dataset_name='ref_davis17')

    def __init__(
        self, *, annotators: Sequence[int] = range(NUM_EXPRESSION_SETS), **kwargs: Any
    ) -> None:
        self.annotators = frozenset(annotators)
        if not self.annotators or not self.annotators <= set(range(NUM_EXPRESSION_SETS)):
            last = NUM_EXPRESSION_SETS - 1
            raise ValueError(f'annotators of Ref-DAVIS17 are 0 to {last}, got {list(annotators)}')
        super().__init__(**kwargs)

    def load_videos(self) -> list[VideoRecord]:
        """See the base class."""
        records = [
            replace(video, expressions=tuple(filter(self._is_chosen, video.expressions)))
            for video in super().load_videos()
        ]
        return [record for record in records if record.expressions]

    def _is_chosen(self, expression: Expression) -> bool:
        exp_id = expression.exp_id
        return not exp_id.isdecimal() or expression_set_of(exp_id) in self.annotators
