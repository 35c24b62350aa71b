"""Masks that are not maps of object ids: run-length codes, polygons, files of other formats.

Sentences of such sets may be about several objects, and objects may overlap. So a clip's map does
not hold object ids but one bit for each *target*, a target being what a sentence is about; image
transforms treat it as any segmentation map.
"""

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData

from r2vos_mm.registry import TRANSFORMS
from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.masks_io import decode_polygons, decode_rle

from ..records import Pair
from ..transforms import PackReferringInputs
from ..transforms.formatting import boxes_of_masks
from ..transforms.loading import at_decoded_size

BITS = 8


class TargetMasks(metaclass=ABCMeta):
    """The masks of a clip's targets in one frame; reads them when it is asked."""

    @abstractmethod
    def read(self, target: str, height: int, width: int) -> np.ndarray:
        """The mask of a target in a frame of this size, bool (H, W).

        Raises:
            DataFileError: if it cannot be read, or belongs to a frame of another size.
        """


@dataclass(frozen=True)
class CodedMasks(TargetMasks):
    """Masks given as codes of COCO's form: polygons, or run-length codes, compressed or not.

    Attributes:
        codes: {target: the codes whose union it is}; a target without codes is not visible.
        where: what to call the frame in errors.
    """

    codes: Mapping[str, Sequence[Any]]
    where: str

    def read(self, target: str, height: int, width: int) -> np.ndarray:
        """See the base class."""
        mask = np.zeros((height, width), bool)
        for code in self.codes.get(target, ()):
            mask |= decode_code(code, height, width, self.where)
        return mask


def decode_code(code: Any, height: int, width: int, where: str) -> np.ndarray:
    """Return the mask (H, W) bool of polygons or of a run-length code.

    Raises:
        DataFileError: if the code is broken or belongs to another size.
    """
    mask = (
        decode_polygons(code, (height, width), where)
        if isinstance(code, list)
        else decode_rle(code, where)
    )
    return checked_size(mask, height, width, where)


def checked_size(mask: np.ndarray, height: int, width: int, where: str) -> np.ndarray:
    """The mask, if it fits the frame.

    Raises:
        DataFileError: if it does not.
    """
    if mask.shape != (height, width):
        raise DataFileError(
            f'{where}: its mask has size {mask.shape}, the frame '
            f'{(height, width)} (height, width): frames and masks must come from '
            'the same release'
        )
    return mask


def pack_bits(masks: np.ndarray) -> np.ndarray:
    """Masks (K, H, W) bool as a map of bits: uint8 (H, W) for up to 8, else (H, W, ceil(K / 8)).

    >>> pack_bits(np.array([[[True, False]], [[True, True]]])).tolist()
    [[3, 2]]
    """
    planes = np.packbits(masks, axis=0, bitorder='little')
    return planes[0] if len(planes) == 1 else np.ascontiguousarray(planes.transpose(1, 2, 0))


def unpack_bits(maps: np.ndarray, count: int) -> np.ndarray:
    """The inverse over T frames: bool (K, T, H, W) of maps (T, H, W) or (T, H, W, planes)."""
    planes = maps[..., None] if maps.ndim == 3 else maps
    return np.stack([(planes[..., k // BITS] >> k % BITS & 1).astype(bool) for k in range(count)])


def targets_of(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """The targets of the positive pairs, each once, in order; at least one ('')."""
    return tuple(dict.fromkeys(pair.obj_id for pair in pairs if not pair.is_negative)) or ('',)


@TRANSFORMS.register_module()
class LoadTargetMasks(BaseTransform):
    """Loads the masks of a clip's targets in one frame; does nothing without ground truth.

    Before the geometric transforms the map follows them, from the size that the frame was decoded
    at; behind a resize it keeps the size of the file, as evaluation needs it.

    Required keys: ``ori_shape``, optionally ``target_masks`` (:class:`TargetMasks`) and
    ``targets`` (their names). Added keys: ``gt_seg_map`` uint8, see :func:`pack_bits`.

    Raises:
        DataFileError: if a mask cannot be read or is of another size than the frame.
    """

    def transform(self, results: dict) -> dict:
        """Loads ``target_masks``."""
        source = results.get('target_masks')
        if source is not None:
            height, width = results['ori_shape']
            masks = [source.read(target, height, width) for target in results['targets']]
            results['gt_seg_map'] = at_decoded_size(pack_bits(np.stack(masks)), results)
        return results


@TRANSFORMS.register_module()
class PackTargetInputs(PackReferringInputs):
    """Packs a clip whose map has a bit for each target, as :class:`LoadTargetMasks` made it.

    Samples are those of :class:`PackReferringInputs`. Where only some frames are annotated, the
    metainfo ``annotated_frames`` is a list of T bool.

    Required keys: see the parent; ``targets`` with ``gt_seg_map`` and optionally ``is_annotated``
    are lists over the frames, too.
    """

    def transform(self, results: dict) -> dict:
        """Packs ``results``."""
        maps = results.pop('gt_seg_map', None)
        packed = super().transform(results)
        sample = packed['data_samples']
        if maps is not None:
            self._add_masks(sample.gt_pairs, np.stack(maps), results['targets'][0])
            if self.with_instances:
                sample.gt_instances = self._targets(np.stack(maps), results['targets'][0])
        if 'is_annotated' in results:
            sample.set_metainfo(dict(annotated_frames=list(results['is_annotated'])))
        return packed

    @staticmethod
    def _targets(maps: np.ndarray, targets: Sequence[str]) -> InstanceData:
        """All targets as instances of the clip."""
        masks = unpack_bits(maps, len(targets))
        return InstanceData(
            obj_ids=list(targets),
            masks=torch.from_numpy(masks),
            valid=torch.from_numpy(masks.any((-2, -1))),
        )

    @staticmethod
    def _add_masks(pairs: InstanceData, maps: np.ndarray, targets: Sequence[str]) -> None:
        """Masks, boxes and visibility of the pairs, each target computed once."""
        masks = unpack_bits(maps, len(targets))
        nothing = np.zeros_like(masks[:1])
        masks = np.concatenate([masks, nothing])
        index = [
            len(targets) if negative else targets.index(obj_id)
            for obj_id, negative in zip(pairs.obj_ids, pairs.is_negative.tolist())
        ]
        for name, values in zip(('masks', 'boxes', 'valid'), (masks, *boxes_of_masks(masks))):
            pairs[name] = torch.from_numpy(values[index])
