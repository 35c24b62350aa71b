"""Frames and masks from files, with errors that name the file."""

import io

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from PIL import Image

from r2vos_mm.registry import TRANSFORMS
from r2vos_mm.utils.data_issues import DataFileError

_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
# What a JPEG decoder can shrink a picture by while it decodes, the strongest first.
_REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}


def read_bytes(path: str, remedy: str) -> bytes:
    """The content of a file.

    Raises:
        DataFileError: if it cannot be read.
    """
    try:
        return fileio.get(path)
    except OSError as error:
        raise DataFileError(f'cannot read {path} ({error}): {remedy}') from error


def decode_frame(content: bytes, *, reduction: int = 1) -> np.ndarray:
    """A BGR image (H, W, 3) uint8 from an image file of any colour mode.

    OpenCV fills a truncated JPEG up with grey and says nothing. So a JPEG that does not end as
    one should, and whatever OpenCV cannot read, goes to Pillow, which raises if data is missing.

    Args:
        content: the file.
        reduction: 1, 2, 4 or 8: each side comes out that many times smaller, rounded up, if
            OpenCV decodes the file; Pillow gives it at full size.

    Raises:
        OSError: if the content is no image or incomplete.
    """
    complete = not content.startswith(_JPEG_START) or content.endswith(_JPEG_END)
    if complete and content:
        image = cv2.imdecode(
            np.frombuffer(content, np.uint8), _REDUCED[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
        )
        if image is not None:
            return image
    with Image.open(io.BytesIO(content)) as image:
        return np.ascontiguousarray(np.asarray(image.convert('RGB'))[..., ::-1])


def jpeg_reduction(size: tuple[int, int], largest_scale: tuple[int, int]) -> int:
    """How much smaller a picture may be decoded without a later resize having to enlarge it.

    Args:
        size: (width, height) of the picture.
        largest_scale: the largest scale the pipeline resizes to, keeping the ratio of the sides:
            (long side at most, short side at most), as of ``Resize``.

    >>> jpeg_reduction((1280, 720), (640, 360)), jpeg_reduction((1280, 720), (100000, 400))
    (2, 1)
    """
    wanted = mmcv.image.geometric.rescale_size(size, largest_scale)
    return next(
        factor
        for factor in _REDUCED
        if factor == 1 or all(-(-side // factor) >= least for side, least in zip(size, wanted))
    )


def at_decoded_size(seg_map: np.ndarray, results: dict) -> np.ndarray:
    """A map (H, W) or (H, W, planes) of the file's size, at the size its frame was decoded at.

    Behind a resize of the frame (there is a key ``scale``) the map stays as it is.
    """
    height, width = results.get('img_shape', seg_map.shape[:2])
    if 'scale' in results or seg_map.shape[:2] == (height, width):
        return seg_map
    return cv2.resize(seg_map, (width, height), interpolation=cv2.INTER_NEAREST)


@TRANSFORMS.register_module()
class LoadVideoFrame(BaseTransform):
    """Loads one frame; grey and CMYK files come out with three channels, too.

    Required keys: ``img_path``. Added keys: ``img`` (H, W, 3) uint8 BGR, ``img_shape`` of it and
    ``ori_shape`` of the file, both (H, W).

    Args:
        largest_scale: (long side, short side) in pixels. The largest scale that a transform
            behind this one resizes to, keeping the ratio of the sides. A JPEG of at least twice
            that is decoded at 1/2, 1/4 or 1/8 of its size, which takes a third of the time. The
            decoder averages over pixels where a later ``Resize`` would leave some out, so the
            result differs a little: by 2 of 255 levels on the average (tested). None decodes all
            files at full size.

    Raises:
        DataFileError: if the file is missing, no image or truncated.
    """

    def __init__(self, *, largest_scale: tuple[int, int] | None = None) -> None:
        self.largest_scale = None if largest_scale is None else tuple(largest_scale)

    def transform(self, results: dict) -> dict:
        """Loads ``img_path``."""
        path = results['img_path']
        content = read_bytes(path, 'put the frame there, or take it from the list of frames')
        try:
            if self.largest_scale is not None and content.startswith(_JPEG_START):
                results['img'], results['ori_shape'] = self._reduced(content)
            else:
                results['img'] = decode_frame(content)
                results['ori_shape'] = results['img'].shape[:2]
        except (OSError, SyntaxError) as error:
            raise DataFileError(
                f'{path} is not a complete image ({error}): extract or download the frame again'
            ) from error
        results['img_shape'] = results['img'].shape[:2]
        return results

    def _reduced(self, content: bytes) -> tuple[np.ndarray, tuple[int, int]]:
        """The image, smaller than its file where that does no harm, and the (H, W) of the file."""
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
        reduction = jpeg_reduction((width, height), self.largest_scale)
        return decode_frame(content, reduction=reduction), (height, width)


@TRANSFORMS.register_module()
class LoadMasks(BaseTransform):
    """Load the masks of a clip's objects in one frame; do nothing without ground truth.

    Before the geometric transforms the map gets the size at which the frame was decoded, and
    follows them. After a resize it keeps the size of the file, as evaluation needs it.

    Required keys: ``ori_shape``, optionally ``img_shape``, ``target_masks``
    (:class:`~r2vos_mm.datasets.io.mask_sources.TargetMasks`) and, where the map has bits instead
    of object ids, ``targets`` (their names). Added key: ``gt_seg_map`` uint8, see
    :mod:`~r2vos_mm.datasets.io.mask_sources`.

    Raises:
        DataFileError: a mask cannot be read, or has another size than the frame.
    """

    def transform(self, results: dict) -> dict:
        """Load ``target_masks``."""
        source = results.get('target_masks')
        if source is not None:
            labels = source.label_map(results.get('targets', ()), *results['ori_shape'])
            results['gt_seg_map'] = at_decoded_size(labels, results)
        return results
