"""Frames and masks from files, with errors that name the file."""
import io

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from PIL import Image

from r2vos_mm.datasets.problems import DataFileError
from r2vos_mm.registry import TRANSFORMS

_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
_MASK_MODES = ('P', 'L', '1')


def read_bytes(path: str, remedy: str) -> bytes:
    """The content of a file.

    Raises:
        DataFileError: if it cannot be read.
    """
    try:
        return fileio.get(path)
    except OSError as error:
        raise DataFileError(f'cannot read {path} ({error}): {remedy}') from error


def decode_frame(content: bytes) -> np.ndarray:
    """A BGR image (H, W, 3) uint8 from an image file of any colour mode.

    OpenCV fills a truncated JPEG up with grey and says nothing. So a JPEG that does not end as
    one should, and whatever OpenCV cannot read, goes to Pillow, which raises if data is missing.

    Raises:
        OSError: if the content is no image or incomplete.
    """
    complete = not content.startswith(_JPEG_START) or content.endswith(_JPEG_END)
    if complete and content:
        image = cv2.imdecode(
            np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is not None:
            return image
    with Image.open(io.BytesIO(content)) as image:
        return np.ascontiguousarray(np.asarray(image.convert('RGB'))[..., ::-1])


def decode_mask(content: bytes) -> np.ndarray:
    """A map of object ids (H, W) uint8 from a palette, grey or 1-bit image.

    Raises:
        OSError: if the content is no image or incomplete.
        ValueError: if the image is of another mode: colours are no ids.
    """
    with Image.open(io.BytesIO(content)) as image:
        if image.mode not in _MASK_MODES:
            raise ValueError(f'mode {image.mode} has no object ids')
        return np.array(image, dtype=np.uint8)


@TRANSFORMS.register_module()
class LoadVideoFrame(BaseTransform):
    """Loads one frame; grey and CMYK files come out with three channels, too.

    Required keys: ``img_path``. Added keys: ``img`` (H, W, 3) uint8 BGR, ``img_shape`` and
    ``ori_shape`` (H, W).

    Raises:
        DataFileError: if the file is missing, no image or truncated.
    """

    def transform(self, results: dict) -> dict:
        """Loads ``img_path``."""
        path = results['img_path']
        content = read_bytes(path, 'put the frame there, or take it from the list of frames')
        try:
            image = decode_frame(content)
        except (OSError, SyntaxError) as error:
            raise DataFileError(f'{path} is not a complete image ({error}): extract or download '
                                'the frame again') from error
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results


@TRANSFORMS.register_module()
class LoadObjectMask(BaseTransform):
    """Loads the map of object ids of one frame; does nothing where there is no ground truth.

    Before the geometric transforms the map follows them; behind them it keeps the size of the
    file, as evaluation needs it.

    Required keys: ``ori_shape``, optionally ``seg_map_path``. Added keys: ``gt_seg_map`` (H, W)
    uint8, 0 = background.

    Raises:
        DataFileError: if the file is missing, broken, coloured or of another size than the frame.
    """

    def transform(self, results: dict) -> dict:
        """Loads ``seg_map_path``."""
        path = results.get('seg_map_path')
        if path is None:
            return results
        content = read_bytes(path, 'put the mask there, or take the frame from the list of frames')
        try:
            mask = decode_mask(content)
        except ValueError as error:
            raise DataFileError(f'{path} is not a mask ({error}): masks are 8-bit palette or grey '
                                'PNGs whose pixels are object ids; convert the colours to '
                                'ids') from error
        except (OSError, SyntaxError) as error:
            raise DataFileError(f'{path} is not a complete image ({error}): download the mask '
                                'again') from error
        if mask.shape != tuple(results['ori_shape']):
            raise DataFileError(f'{path} has size {mask.shape}, its frame '
                                f'{tuple(results["ori_shape"])} (height, width): frame and mask '
                                'must come from the same release')
        results['gt_seg_map'] = mask
        return results
