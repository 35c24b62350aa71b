"""Load Long-RVOS: long videos, one folder of masks per object."""

from collections.abc import Sequence
from typing import Any

from r2vos_mm.registry import DATASETS

from ..io.annotations import LayoutReader
from ..io.mask_sources import ObjectPngMasks
from ..records import VideoRecord
from .r2vos_dataset import R2VOSDataset


@DATASETS.register_module()
class LongRVOSDataset(R2VOSDataset):
    """Videos and expressions of Long-RVOS, in the layout of Refer-YouTube-VOS but for the masks.

    ::

        <data_root>/meta_expressions/<split>/meta_expressions.json   expressions have a ``type``
        <data_root>/<split>/JPEGImages/<video>/<frame>.jpg
        <data_root>/<split>/Annotations/<video>/<object>/<frame>.png   above 0 is the object

    An object without a folder is not visible in any frame. The ``type`` of an expression (static,
    dynamic or hybrid) is kept for metrics of each. Arguments: see :class:`R2VOSDataset`.
    """

    METAINFO = dict(dataset_name='long_rvos')

    def make_reader(self, **options: Any) -> LayoutReader:
        """See the base class."""
        return LayoutReader(**options, has_other_masks=self.mask_root.is_dir())

    def mask_keys(
        self, video: VideoRecord, frames: Sequence[str], targets: tuple[str, ...]
    ) -> dict[str, Any]:
        """See the base class."""
        folder = self.mask_root / video.video_id
        if not folder.is_dir():
            return {}
        shown = [target for target in targets if target and (folder / target).is_dir()]
        masks = [
            ObjectPngMasks({target: folder / target / f'{frame}.png' for target in shown})
            for frame in frames
        ]
        return dict(targets=[targets] * len(frames), target_masks=masks)
