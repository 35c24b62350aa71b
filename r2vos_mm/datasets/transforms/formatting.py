"""Pack lists over frames into the inputs and samples of model and evaluation."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData
from torch import Tensor

from r2vos_mm.registry import TRANSFORMS
from r2vos_mm.structures import ReferringDataSample
from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.masks_io import boxes_of_masks

from ..io.mask_sources import masks_of_objects
from ..records import Clip, Pair

# Lists of ``gt_pairs``, and the attributes of the pairs that fill them.
_PAIR_FIELDS = dict(
    texts='text',
    pair_ids='pair_id',
    exp_ids='exp_id',
    obj_ids='obj_id',
    kinds='kind',
    text_types='text_type',
)


def relative_boxes(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest boxes around masks, and which masks are not empty.

    Args:
        masks: bool (P, T, H, W).

    Returns:
        Boxes float32 (P, T, 4) as (cx, cy, w, h) relative to (W, H), zeros for empty masks, see
        also :func:`r2vos_mm.utils.masks_io.boxes_of_masks`; valid bool (P, T).
    """
    boxes, size = boxes_of_masks(masks), np.array(masks.shape[:-3:-1])
    low, high = boxes[..., :2], boxes[..., 2:]
    boxes = np.concatenate([(low + high) / (2 * size), (high - low) / size], -1)
    return boxes.astype(np.float32), masks.any((-2, -1))


@TRANSFORMS.register_module()
class PackReferringInputs(BaseTransform):
    """Pack a clip: ``inputs`` uint8 (T, 3, H, W) RGB and ``data_samples``.

    Masks, boxes and visibility of the P pairs are computed here, from the label maps as the
    geometric transforms left them. Without ``gt_seg_map`` the sample has no masks. Where only
    some frames are annotated, the metainfo ``annotated_frames`` is a list of T bool.

    Required keys (lists over the frames): ``img`` (H, W, 3) BGR, ``clip``, ``img_path``,
    ``img_shape``, ``ori_shape``; optionally ``gt_seg_map`` and, where it has bits instead of object
    ids, ``targets``; ``is_annotated``, ``scale_factor``, ``flip``.

    Args:
        void_id: object id of pixels that scoring ignores, which go to ``gt_void`` of the sample,
            such as 255 for ``Annotations_unsupervised`` of DAVIS. Needs object ids.
        with_foreground: add ``gt_foreground``, pixels of any object, for VISA. Needs object ids.
        with_instances: add ``gt_instances``, the masks of every annotated object (for MTTR).

    Raises:
        DataFileError: the frames of the clip differ in size.
    """

    def __init__(
        self,
        *,
        void_id: int | None = None,
        with_foreground: bool = False,
        with_instances: bool = False,
    ) -> None:
        self.void_id = void_id
        self.with_foreground = with_foreground
        self.with_instances = with_instances

    def transform(self, results: dict) -> dict:
        """Pack ``results``."""
        clip: Clip = results['clip'][0]
        self._check_sizes(clip, results)
        sample = ReferringDataSample(
            metainfo=dict(
                video_id=clip.video_id,
                dataset=clip.dataset,
                frame_ids=list(clip.frame_ids),
                frame_paths=list(results['img_path']),
                img_shape=tuple(results['img_shape'][0]),
                ori_shape=tuple(results['ori_shape'][0]),
                scale_factor=tuple(results.get('scale_factor', [(1.0, 1.0)])[0]),
                flip=bool(results.get('flip', [False])[0]),
            )
        )
        if 'is_annotated' in results:
            sample.set_metainfo(dict(annotated_frames=list(results['is_annotated'])))
        fields = {name: [getattr(p, key) for p in clip.pairs] for name, key in _PAIR_FIELDS.items()}
        is_negative = torch.tensor([pair.is_negative for pair in clip.pairs], dtype=torch.bool)
        sample.gt_pairs = InstanceData(**fields, is_negative=is_negative)
        if 'gt_seg_map' in results:
            targets = results['targets'][0] if 'targets' in results else None
            self._add_masks(sample, clip.pairs, np.stack(results['gt_seg_map']), targets)
        return dict(inputs=self._images(results['img']), data_samples=sample)

    def _add_masks(
        self,
        sample: ReferringDataSample,
        pairs: Sequence[Pair],
        maps: np.ndarray,
        targets: Sequence[str] | None,
    ) -> None:
        """Add all that the label maps (T, H, W[, planes]) show; each object is computed once."""
        objects = sorted({pair.obj_id for pair in pairs})
        index = [objects.index(pair.obj_id) for pair in pairs]
        masks = masks_of_objects(maps, objects, targets)
        for name, values in zip(('masks', 'boxes', 'valid'), (masks, *relative_boxes(masks))):
            sample.gt_pairs[name] = torch.from_numpy(values[index])
        if targets is None:
            self._add_regions(sample, maps)
        if self.with_instances:
            obj_ids = self._instances(pairs, maps) if targets is None else list(targets)
            masks = torch.from_numpy(masks_of_objects(maps, obj_ids, targets))
            sample.gt_instances = InstanceData(
                obj_ids=obj_ids, masks=masks, valid=masks.flatten(2).any(-1)
            )

    def _add_regions(self, sample: ReferringDataSample, maps: np.ndarray) -> None:
        """Add ``gt_void`` and ``gt_foreground`` (T, H, W) bool where they are asked for."""
        void = maps == self.void_id if self.void_id is not None else np.zeros(maps.shape, bool)
        if self.void_id is not None:
            sample.gt_void = torch.from_numpy(void)
        if self.with_foreground:
            sample.gt_foreground = torch.from_numpy((maps > 0) & ~void)

    def _instances(self, pairs: Sequence[Pair], maps: np.ndarray) -> list[str]:
        """Return the ids of every object in the maps, and those of the pairs if not visible."""
        objects = {str(number) for number in np.unique(maps) if number not in (0, self.void_id)}
        return sorted(objects | {pair.obj_id for pair in pairs if pair.obj_id}, key=int)

    @staticmethod
    def _check_sizes(clip: Clip, results: dict) -> None:
        for path, shape in zip(results['img_path'], results['ori_shape']):
            if shape != results['ori_shape'][0]:
                raise DataFileError(
                    f'{path} has size {shape}, other frames of video {clip.video_id} '
                    f'{results["ori_shape"][0]} (height, width): extract the frames again'
                )

    @staticmethod
    def _images(images: list[np.ndarray]) -> Tensor:
        """Return RGB (T, 3, H, W) uint8; each frame is copied once."""
        height, width = images[0].shape[:2]
        clip = np.empty((len(images), 3, height, width), np.uint8)
        for frame, image in zip(clip, images):
            for channel, plane in enumerate(reversed(frame)):
                cv2.extractChannel(image, channel, plane)
        return torch.from_numpy(clip)
