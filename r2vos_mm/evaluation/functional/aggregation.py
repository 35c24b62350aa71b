"""Summarise the values of a sample's frames: mean, recall and decay of the DAVIS benchmark."""

from dataclasses import dataclass

import numpy as np

RECALL_THRESHOLD = 0.5


@dataclass(frozen=True)
class FrameStatistics:
    """Statistics of one sample over its frames.

    Attributes:
        mean: mean over frames.
        recall: share of frames with a value above (not at) 0.5.
        decay: mean of the first quarter of the frames minus mean of the last.
    """

    mean: float
    recall: float
    decay: float


def frame_statistics(values: np.ndarray) -> FrameStatistics:
    """Return mean, recall and decay of J or F over the T frames of a sample.

    The quarters of the decay share their border frames, as in the DAVIS code. That code stores the
    borders in 8 bits and gives NaN for more than 256 frames; here the decay of long videos is
    right.

    Args:
        values: (T,) float, T >= 1.

    Raises:
        ValueError: ``values`` is empty or not one-dimensional.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f'values must be (T,) with at least one frame, got shape {values.shape}')
    borders = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(np.int64) - 1
    first, last = values[borders[0] : borders[1] + 1], values[borders[3] : borders[4] + 1]
    return FrameStatistics(
        mean=float(values.mean()),
        recall=float((values > RECALL_THRESHOLD).mean()),
        decay=float(first.mean() - last.mean()),
    )
