"""Normalize, pad and stack clips of bytes."""

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import ReferringDataSample


@MODELS.register_module()
class ReferringDataPreprocessor(BaseDataPreprocessor):
    """Normalize clips, pad them bottom and right to one size and stack them.

    Padding is added after the normalization and is zero, as in ReferFormer. In training the
    ground-truth masks are padded too; in testing they keep their size and stay on the CPU.

    Args:
        mean: RGB means of 0-255 images. Defaults to ImageNet's.
        std: RGB standard deviations of 0-255 images. Defaults to ImageNet's.
        pad_size_divisor: divisor of H' and W' in training. Defaults to 32.
        test_pad_size_divisor: divisor in testing. Defaults to 1: a single clip is not padded.
        non_blocking: copy to the device without waiting.
    """

    def __init__(
        self,
        *,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        std: Sequence[float] = (58.395, 57.12, 57.375),
        pad_size_divisor: int = 32,
        test_pad_size_divisor: int = 1,
        non_blocking: bool = False,
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        if len(mean) != 3 or len(std) != 3:
            raise ValueError(
                'mean and std of ReferringDataPreprocessor need 3 values each (RGB), '
                f'got {tuple(mean)} and {tuple(std)}'
            )
        if pad_size_divisor < 1 or test_pad_size_divisor < 1:
            raise ValueError(
                'pad_size_divisor and test_pad_size_divisor must be at least 1, got '
                f'{pad_size_divisor} and {test_pad_size_divisor}'
            )
        self.register_buffer('mean', torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(3, 1, 1), persistent=False)
        self.pad_size_divisor = pad_size_divisor
        self.test_pad_size_divisor = test_pad_size_divisor

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare one batch for the model.

        Args:
            data: ``inputs``, a list of B uint8 (T, 3, H, W) RGB clips, and optionally
                ``data_samples``, a list of B :obj:`ReferringDataSample`.
            training: pad to ``pad_size_divisor`` and pad the masks too.

        Returns:
            ``inputs`` float32 (B, T, 3, H', W') and ``data_samples`` (None if not given), whose
            metainfo has ``batch_input_shape`` and ``pad_shape``, both (H', W').

        Raises:
            ValueError: clips of the batch have different numbers of frames.
        """
        clips = self.cast_data(list(data['inputs']))
        samples = data.get('data_samples')
        divisor = self.pad_size_divisor if training else self.test_pad_size_divisor
        size = self._batch_size(clips, divisor)
        if samples is not None:
            for sample, clip in zip(samples, clips):
                sample.set_metainfo(
                    dict(img_shape=tuple(clip.shape[-2:]), batch_input_shape=size, pad_shape=size)
                )
            if training:
                samples = self.cast_data(list(samples))
                self._pad_masks(samples, size)
        normalized = (clip.float().sub(self.mean).div_(self.std) for clip in clips)
        inputs = torch.stack([_pad(clip, size) for clip in normalized])
        return dict(inputs=inputs, data_samples=samples)

    @staticmethod
    def _batch_size(clips: list[Tensor], divisor: int) -> tuple[int, int]:
        """Return the smallest (H', W') of multiples of ``divisor`` that holds every clip."""
        lengths = sorted({len(clip) for clip in clips})
        if len(lengths) > 1:
            raise ValueError(
                f'clips of one batch have different numbers of frames: {lengths}. '
                'Use one clip_length, or batch_size=1 for whole videos'
            )
        height, width = (max(clip.shape[axis] for clip in clips) for axis in (-2, -1))
        return divisor * math.ceil(height / divisor), divisor * math.ceil(width / divisor)

    @staticmethod
    def _pad_masks(samples: list[ReferringDataSample], size: tuple[int, int]) -> None:
        """Pad masks (P, T, H, W) of pairs and instances to (P, T, H', W') in place."""
        for sample, name in itertools.product(samples, ('gt_pairs', 'gt_instances')):
            masks = sample.get(name).get('masks') if name in sample else None
            if masks is not None:
                sample.get(name).masks = _pad(masks, size)


def _pad(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Pad (..., H, W) bottom and right with zeros; return maps of that size unchanged."""
    missing = size[0] - maps.shape[-2], size[1] - maps.shape[-1]
    return F.pad(maps, (0, missing[1], 0, missing[0])) if any(missing) else maps
