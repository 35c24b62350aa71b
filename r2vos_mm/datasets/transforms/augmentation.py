"""Augment clips so that expressions about them stay true."""

import re
from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmdet.datasets.transforms import PhotoMetricDistortion

from r2vos_mm.registry import TRANSFORMS

_OPPOSITE = dict(left='right', right='left')
# 'left', 'right', 'leftmost', 'rightwards', but not 'bright' or 'copyright'.
_SIDE = re.compile(r'\b(left|right)(?=(?:wards?|most)?\b)')


def swap_left_right(text: str) -> str:
    """Return the expression that is true of the mirrored video.

    >>> swap_left_right('the left dog runs rightwards, to the right')
    'the right dog runs leftwards, to the left'
    >>> swap_left_right('a bright, upright sign')
    'a bright, upright sign'
    """
    return _SIDE.sub(lambda match: _OPPOSITE[match[1]], text)


@TRANSFORMS.register_module()
class SwapLeftRight(BaseTransform):
    """Swap left and right in all expressions of a clip that was flipped horizontally.

    Negative expressions are swapped, too: they stay false.

    Required keys: ``clip`` (modified); ``flip`` and ``flip_direction`` after a flip (lists).
    """

    def transform(self, results: dict) -> dict:
        """Swap if the frames are mirrored."""
        if any(results.get('flip', ())) and results['flip_direction'][0] != 'vertical':
            clips = results['clip']
            results['clip'] = [clips[0].with_texts(swap_left_right)] * len(clips)
        return results


@TRANSFORMS.register_module()
class ClipPhotoMetricDistortion(PhotoMetricDistortion):
    """MMDetection's ``PhotoMetricDistortion`` without the random swap of channels, for bytes.

    Swapped channels would turn red into blue, and an expression with 'red' would become false. The
    image is uint8 again afterwards. A ``hue_delta`` of 18 degrees keeps the names of basic colours.
    """

    # A separate list: that of the parent would name the overridden method twice.
    _methods_with_randomness: list[str] = []

    @cache_randomness
    def _random_flags(self) -> Sequence:
        flags = np.random.randint(2, size=5)
        no_swap = (0,)
        values = (
            np.random.uniform(-self.brightness_delta, self.brightness_delta),
            np.random.uniform(self.contrast_lower, self.contrast_upper),
            np.random.uniform(self.saturation_lower, self.saturation_upper),
            np.random.uniform(-self.hue_delta, self.hue_delta),
        )
        return (*flags, *no_swap, *values, None)

    def transform(self, results: dict) -> dict:
        """Distort ``img`` (H, W, 3) uint8 BGR."""
        results = super().transform(results)
        # Rounds, and clips to 0 and 255 instead of wrapping around.
        results['img'] = cv2.add(results['img'], 0, dtype=cv2.CV_8U)
        return results


@TRANSFORMS.register_module()
class JitterFrame(BaseTransform):
    """Move, rotate and recolour one frame slightly, together with its label map.

    A clip of T times the same image becomes a video if a broadcaster draws again for every frame
    (``share_random_params=False``). The ranges are those with which ReferFormer makes clips of
    RefCOCO's images for joint training. Expressions stay true: nothing is mirrored or rotated far.

    Required keys: ``img`` (H, W, 3) uint8 BGR, optionally ``gt_seg_map`` (H, W) or (H, W, planes)
    uint8. Pixels from outside the image are black, and background in the map.

    Args:
        rotation: largest rotation, degrees.
        translation: largest shift, as a part of width and height.
        perspective: largest shift of a corner, as a part of width and height.
        brightness: largest change of the brightness, of 255.
        hue: largest change of the hue, degrees (0 to 180 in OpenCV).
        saturation: largest change of the saturation, of 255.
        blur_prob: probability of motion blur.
        blur_sizes: lengths of the blur in pixels, odd.
        prob: probability that the frame is changed at all.
    """

    def __init__(
        self,
        *,
        rotation: float = 20.0,
        translation: float = 0.1,
        perspective: float = 0.08,
        brightness: float = 40.0,
        hue: float = 5.0,
        saturation: float = 5.0,
        blur_prob: float = 0.25,
        blur_sizes: tuple[int, ...] = (9, 11),
        prob: float = 0.8,
    ) -> None:
        if min(rotation, translation, perspective, brightness, hue, saturation) < 0:
            raise ValueError('ranges of JitterFrame must not be negative')
        if not (0 <= blur_prob <= 1 and 0 <= prob <= 1):
            raise ValueError(f'probabilities must be in [0, 1], got {blur_prob} and {prob}')
        if perspective >= 0.5:
            raise ValueError(f'perspective must be below 0.5, got {perspective}')
        self.rotation, self.translation, self.perspective = rotation, translation, perspective
        self.shifts = (hue, saturation, brightness)
        self.blur_prob, self.blur_sizes, self.prob = blur_prob, blur_sizes, prob

    def transform(self, results: dict) -> dict:
        """Jitter ``img`` and ``gt_seg_map``."""
        if np.random.random() >= self.prob:
            return results
        height, width = results['img'].shape[:2]
        matrix = self._matrix(height, width)
        image = cv2.warpPerspective(results['img'], matrix, (width, height))
        results['img'] = self._blurred(self._recoloured(image))
        if 'gt_seg_map' in results:
            results['gt_seg_map'] = _warped_map(results['gt_seg_map'], matrix)
        return results

    def _matrix(self, height: int, width: int) -> np.ndarray:
        """Return the 3x3 homography: corners moved one by one, all rotated and shifted."""
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        size = np.array([width, height], np.float32)
        moved = corners + size * np.random.uniform(-self.perspective, self.perspective, (4, 2))
        warp = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
        angle = np.random.uniform(-self.rotation, self.rotation)
        turn = np.eye(3)
        turn[:2] = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
        turn[:2, 2] += size * np.random.uniform(-self.translation, self.translation, 2)
        return turn @ warp

    def _recoloured(self, image: np.ndarray) -> np.ndarray:
        """Return the image with hue, saturation and value shifted."""
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV).astype(np.int16)
        hsv += np.rint([np.random.uniform(-limit, limit) for limit in self.shifts]).astype(np.int16)
        hsv[..., 0] %= 180
        return cv2.cvtColor(hsv.clip(0, 255).astype(np.uint8), cv2.COLOR_HSV2BGR)

    def _blurred(self, image: np.ndarray) -> np.ndarray:
        """Return the image with motion blur along a random line, or mostly unchanged."""
        if not self.blur_sizes or np.random.random() >= self.blur_prob:
            return image
        length = int(np.random.choice(self.blur_sizes))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1.0
        centre = ((length - 1) / 2, (length - 1) / 2)
        turn = cv2.getRotationMatrix2D(centre, np.random.uniform(0, 180), 1.0)
        kernel = cv2.warpAffine(kernel, turn, (length, length))
        return cv2.filter2D(image, -1, kernel / kernel.sum())


def _warped_map(seg_map: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Warp a map of ids or bits plane by plane without mixing ids."""
    size, flags = seg_map.shape[1::-1], cv2.INTER_NEAREST
    planes = np.moveaxis(np.atleast_3d(seg_map), -1, 0)
    warped = [
        cv2.warpPerspective(np.ascontiguousarray(plane), matrix, size, flags=flags)
        for plane in planes
    ]
    return np.stack(warped, -1).reshape(seg_map.shape)
