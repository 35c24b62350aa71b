"""Summarize the values of a sample's frames: mean, recall and decay of the DAVIS benchmark."""

from typing import NamedTuple

import numpy as np


class FrameStatistics(NamedTuple):
    """Mean over frames, share of frames above (not at) 0.5, and first quarter minus last.

    All are NaN if a value is.
    """

    mean: float
    recall: float
    decay: float


def frame_statistics(values: np.ndarray) -> FrameStatistics:
    """Return mean, recall and decay of J or F over the T frames of a sample.

    The decay is the mean of the first quarter of the frames minus the mean of the last. Quarters
    share their border frames, as in the DAVIS code. That code stores the borders in 8 bits and
    gives NaN for more than 256 frames; here the decay of long videos is right.

    Raises:
        ValueError: ``values`` is not (T,) with T >= 1.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f'values must be (T,) with at least one frame, got shape {values.shape}')
    if np.isnan(values).any():
        return FrameStatistics(*[float('nan')] * 3)
    borders = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(np.int64) - 1
    decay = values[: borders[1] + 1].mean() - values[borders[3] :].mean()
    return FrameStatistics(float(values.mean()), float((values > 0.5).mean()), float(decay))
