"""Change colours so that expressions about them stay true."""

from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmdet.datasets.transforms import PhotoMetricDistortion

from r2vos_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class ClipPhotoMetricDistortion(PhotoMetricDistortion):
    """MMDetection's ``PhotoMetricDistortion`` without the random swap of channels, for bytes.

    Swapped channels would turn red into blue, and an expression with 'red' would become false. The
    image is uint8 again afterwards. See the parent for the arguments; a ``hue_delta`` of 18 degrees
    keeps the names of the basic colours.
    """

    # A list of its own: that of the parent would name the overridden method twice.
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
