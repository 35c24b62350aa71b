"""From lists over frames to what the model and the evaluation get."""

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

from ..records import Clip, Pair


def masks_of_objects(seg_maps: np.ndarray, obj_ids: Sequence[str]) -> np.ndarray:
    """One mask per id: bool (P, T, H, W) from maps (T, H, W) uint8; all-zero for the id ''."""
    ids = np.array([int(obj_id) if obj_id else 0 for obj_id in obj_ids], np.uint8)
    masks = seg_maps[None] == ids[:, None, None, None]
    masks[ids == 0] = False
    return masks


def boxes_of_masks(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest boxes around masks, and where there is anything to box.

    The box of pixels x1..x2 spans [x1, x2 + 1], so a single pixel has an area.

    Args:
        masks: bool (P, T, H, W).

    Returns:
        Boxes float32 (P, T, 4) as (cx, cy, w, h) relative to (W, H), zeros for empty masks;
        valid bool (P, T).
    """
    rows = masks.any(-1)
    centre_x, width = _centre_and_extent(masks.any(-2))
    centre_y, height = _centre_and_extent(rows)
    valid = rows.any(-1)
    boxes = np.stack([centre_x, centre_y, width, height], -1) * valid[..., None]
    return boxes.astype(np.float32), valid


def _centre_and_extent(occupied: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and extent, relative to S, of what is occupied along the last axis of (P, T, S)."""
    size = occupied.shape[-1]
    low = occupied.argmax(-1)
    high = size - occupied[..., ::-1].argmax(-1)
    return (low + high) / (2 * size), (high - low) / size


@TRANSFORMS.register_module()
class PackReferringInputs(BaseTransform):
    """Packs a clip: ``inputs`` uint8 (T, 3, H, W) RGB and ``data_samples``.

    Masks, boxes and visibility of the P pairs are computed here, from the maps of object ids as
    the geometric transforms left them. Without ``gt_seg_map`` the sample has no masks.

    Required keys (lists over the frames): ``img`` (H, W, 3) BGR, ``clip``, ``img_path``,
    ``img_shape``, ``ori_shape``; optionally ``gt_seg_map``, ``scale_factor``, ``flip``.

    Args:
        void_id: object id of pixels that are left out of scoring, which go to ``gt_void`` of the
            sample: 255 for ``Annotations_unsupervised`` of DAVIS. None: there are none.
        with_foreground: add ``gt_foreground``, the pixels of any annotated object, which the
            robustness of VISA needs.
        with_instances: add ``gt_instances``, the masks of every annotated object, for methods that
            learn from all of them (MTTR).

    Raises:
        DataFileError: if the frames of the clip differ in size.
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
        """Packs ``results``."""
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
                scale_factor=tuple(results['scale_factor'][0])
                if 'scale_factor' in results
                else (1.0, 1.0),
                flip=bool(results['flip'][0]) if 'flip' in results else False,
            )
        )
        sample.gt_pairs = self._pairs(clip.pairs, results.get('gt_seg_map'))
        self._add_regions(sample, results.get('gt_seg_map'))
        if self.with_instances and 'gt_seg_map' in results:
            sample.gt_instances = self._instances(clip.pairs, np.stack(results['gt_seg_map']))
        return dict(inputs=self._images(results['img']), data_samples=sample)

    def _add_regions(self, sample: ReferringDataSample, seg_maps: list[np.ndarray] | None) -> None:
        """Adds ``gt_void`` and ``gt_foreground`` (T, H, W) bool, as far as they are asked for."""
        if seg_maps is None or self.void_id is None and not self.with_foreground:
            return
        maps = np.stack(seg_maps)
        void = np.zeros(maps.shape, bool) if self.void_id is None else maps == self.void_id
        if self.void_id is not None:
            sample.gt_void = torch.from_numpy(void)
        if self.with_foreground:
            sample.gt_foreground = torch.from_numpy((maps > 0) & ~void)

    def _instances(self, pairs: Sequence[Pair], seg_maps: np.ndarray) -> InstanceData:
        """Every object in the maps (T, H, W), and those of the pairs where they are not seen."""
        objects = {str(number) for number in np.unique(seg_maps) if number not in (0, self.void_id)}
        objects |= {pair.obj_id for pair in pairs if pair.obj_id}
        obj_ids = sorted(objects, key=int)
        masks = masks_of_objects(seg_maps, obj_ids)
        return InstanceData(
            obj_ids=obj_ids,
            masks=torch.from_numpy(masks),
            valid=torch.from_numpy(masks.any((-2, -1))),
        )

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
        """RGB (T, 3, H, W) uint8; each frame is copied once."""
        height, width = images[0].shape[:2]
        clip = np.empty((len(images), 3, height, width), np.uint8)
        for frame, image in zip(clip, images):
            for channel, plane in enumerate(reversed(frame)):
                cv2.extractChannel(image, channel, plane)
        return torch.from_numpy(clip)

    @staticmethod
    def _pairs(pairs: Sequence[Pair], seg_maps: list[np.ndarray] | None) -> InstanceData:
        """The pairs with the masks of their objects, each object computed once."""
        data = InstanceData(
            sentences=[pair.sentence for pair in pairs],
            pair_ids=[pair.pair_id for pair in pairs],
            exp_ids=[pair.exp_id for pair in pairs],
            obj_ids=[pair.obj_id for pair in pairs],
            kinds=[pair.kind for pair in pairs],
            is_negative=torch.tensor([pair.is_negative for pair in pairs], dtype=torch.bool),
        )
        if seg_maps is not None:
            objects = sorted(set(data.obj_ids))
            index = [objects.index(obj_id) for obj_id in data.obj_ids]
            masks = masks_of_objects(np.stack(seg_maps), objects)
            for name, values in zip(('masks', 'boxes', 'valid'), (masks, *boxes_of_masks(masks))):
                data[name] = torch.from_numpy(values[index])
        return data
