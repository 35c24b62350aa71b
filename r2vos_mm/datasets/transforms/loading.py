"""Load the frames and masks of clips, and subsample label maps."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from r2vos_mm.registry import TRANSFORMS
from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.images import read_image
from r2vos_mm.utils.storage.paths import StoredPath, local_file, storage_path

from ..io.videos import decode_frames, reader_named


def at_decoded_size(label_map: np.ndarray, results: dict) -> np.ndarray:
    """Return a map (H, W[, planes]) at the decoded size of its frame, unless that was resized."""
    height, width = results.get('img_shape', label_map.shape[:2])
    if 'scale' in results or label_map.shape[:2] == (height, width):
        return label_map
    return cv2.resize(label_map, (width, height), interpolation=cv2.INTER_NEAREST)


@TRANSFORMS.register_module()
class LoadVideoFrame(BaseTransform):
    """Load one frame; grey and CMYK files get three channels, too.

    Required keys: ``img_path``. Added keys: ``img`` (H, W, 3) uint8 BGR, ``img_shape`` of it and
    ``ori_shape`` of the file, both (H, W).

    Args:
        largest_scale: (long side, short side) in pixels, the largest scale to which a later
            transform resizes, keeping the ratio of the sides. A JPEG of at least twice that is
            decoded at 1/2, 1/4 or 1/8 of its size in a third of the time. The decoder averages
            over pixels that a later ``Resize`` would skip, so results differ by 2 of 255 levels on
            average (tested). None decodes all files at full size.
        backend_args: as in MMEngine's ``get_file_backend``, unless the paths have their own.

    Raises:
        DataFileError: the file is missing, no image or truncated.
        StorageError: the storage backend does not answer, or refuses.
    """

    def __init__(
        self,
        *,
        largest_scale: tuple[int, int] | None = None,
        backend_args: Mapping[str, Any] | None = None,
    ) -> None:
        self.largest_scale = None if largest_scale is None else tuple(largest_scale)
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Load ``img_path``."""
        path = results['img_path']
        if self.backend_args is not None:
            path = storage_path(path, self.backend_args)
        image, results['ori_shape'] = read_image(path, self.largest_scale)
        results['img'], results['img_shape'] = image, image.shape[:2]
        return results


@TRANSFORMS.register_module()
class DecodeVideoFrames(BaseTransform):
    """Decode all T frames of a clip from a video file at once.

    It comes before the broadcasters, where clips of image files have ``LoadVideoFrame`` inside one.

    Required keys: ``video_path`` and ``video_frames`` (T indices from 0). Added keys, lists over
    the frames: ``img`` (H, W, 3) uint8 BGR, ``img_shape`` and ``ori_shape`` (H, W).

    Args:
        backend: see :func:`~r2vos_mm.datasets.io.videos.decode_frames`.
        backend_args: see :class:`LoadVideoFrame`. A stored video is copied to a temporary file.

    Raises:
        DataFileError, ImportError, ValueError: see that function.
        StorageError: the storage backend does not answer, or refuses.
    """

    def __init__(
        self, *, backend: str = 'opencv', backend_args: Mapping[str, Any] | None = None
    ) -> None:
        reader_named(backend)
        self.backend, self.backend_args = backend, backend_args

    def transform(self, results: dict) -> dict:
        """Decode ``video_frames`` of ``video_path``."""
        # Popped: a broadcaster must not take them for lists over the frames.
        path, indices = results.pop('video_path'), results.pop('video_frames')
        with _local_video(storage_path(path, self.backend_args)) as video:
            results['img'] = decode_frames(video, indices, backend=self.backend)
        results['img_shape'] = [image.shape[:2] for image in results['img']]
        results['ori_shape'] = list(results['img_shape'])
        return results


@contextmanager
def _local_video(path: Path | StoredPath) -> Iterator[Path]:
    """Give a local file of a video; errors name the video, not a copy of it."""
    try:
        with local_file(path) as video:
            yield video
    except FileNotFoundError as error:
        what = f'cannot read {path} ({error.strerror})'
        raise DataFileError(f'{what}: put the video there') from error
    except DataFileError as error:
        if not isinstance(path, StoredPath):
            raise
        raise DataFileError(str(error).replace(str(video), path)) from error


@TRANSFORMS.register_module()
class LoadMasks(BaseTransform):
    """Load the masks of a clip's objects in one frame; do nothing without ground truth.

    Before the geometric transforms the map gets the size at which the frame was decoded, and
    follows them. After a resize it keeps the size of the file, as evaluation needs it.

    Required keys: ``ori_shape``, optionally ``img_shape``, ``target_masks``
    (:class:`~r2vos_mm.datasets.io.mask_sources.TargetMasks`) and, where the map has bits instead
    of object ids, ``targets`` (their names). Added key: ``gt_seg_map`` uint8, see
    :mod:`~r2vos_mm.datasets.io.mask_sources`.

    Args:
        backend_args: see :class:`LoadVideoFrame`; for masks in PNGs.

    Raises:
        DataFileError: a mask cannot be read, or has another size than the frame.
        StorageError: the storage backend does not answer, or refuses.
    """

    def __init__(self, *, backend_args: Mapping[str, Any] | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Load ``target_masks``."""
        source = results.get('target_masks')
        if source is not None:
            if self.backend_args is not None:
                source = source.stored(self.backend_args)
            labels = source.label_map(results.get('targets', ()), *results['ori_shape'])
            results['gt_seg_map'] = at_decoded_size(labels, results)
        return results


@TRANSFORMS.register_module()
class SubsampleSegMap(BaseTransform):
    """Keep one label of every ``stride`` x ``stride`` block of ``gt_seg_map``, the middle one.

    Losses of MMSegmentation's heads at the size of the labels would cost more than the backbone.

    Required and modified key: ``gt_seg_map``, (H, W) to (H/stride, W/stride).

    Args:
        stride: pixels between two labels.

    Raises:
        ValueError: ``stride`` is below 1.
    """

    def __init__(self, *, stride: int) -> None:
        if stride < 1:
            raise ValueError(f'stride must be at least 1, got {stride}')
        self.stride = stride

    def transform(self, results: dict) -> dict:
        """Subsample ``gt_seg_map``."""
        kept = slice(self.stride // 2, None, self.stride)
        results['gt_seg_map'] = results['gt_seg_map'][kept, kept]
        return results
