"""Colour changes that leave the words of a sentence true."""

from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmdet.datasets.transforms import PhotoMetricDistortion

from r2vos_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ClipPhotoMetricDistortion(PhotoMetricDistortion):
    """MMDetection's ``PhotoMetricDistortion`` without the random swap of channels, for bytes.

    Swapped channels turn red into blue, and a sentence that says 'red' would no longer be true.
    The image comes out as uint8 again. See the parent for the arguments; a ``hue_delta`` of 18
    degrees keeps the names of the basic colours.
    """

    # Its own list: in the parent's one the overridden method would be named twice.
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
        """Distorts ``img`` (H, W, 3) uint8 BGR."""
        results = super().transform(results)
        # Rounds, and values beyond 0 and 255 stay there instead of wrapping around.
        results['img'] = cv2.add(results['img'], 0, dtype=cv2.CV_8U)
        return results
