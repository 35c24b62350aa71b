"""Measure whether a model finds out in which frames the object is present.

tIoU and vIoU are those of spatio-temporal grounding (Zhang et al., "Where Does It Exist", CVPR
2020), taken over the *set* of frames with foreground, so that an object may leave and come back.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PresenceScores:
    """Presence scores of one sample.

    Attributes:
        temporal_iou: tIoU, frames where both have foreground / frames where one has; 1 if none.
        video_iou: vIoU, sum of J over the former / number of the latter; 1 if none.
        accuracy: share of frames where prediction and annotation agree on presence.
        false_alarm_rate: share of the frames without the object that have a prediction; NaN if the
            object is always present.
    """

    temporal_iou: float
    video_iou: float
    accuracy: float
    false_alarm_rate: float


def presence_scores(
    predicted: np.ndarray, present: np.ndarray, region: np.ndarray
) -> PresenceScores:
    """Return the presence scores of one sample.

    Args:
        predicted: (T,) bool, frames with predicted foreground.
        present: (T,) bool, frames with annotated foreground.
        region: (T,) float, J per frame.

    Raises:
        ValueError: The shapes are not all (T,) with T >= 1.
    """
    predicted, present = np.asarray(predicted, dtype=bool), np.asarray(present, dtype=bool)
    region = np.asarray(region, dtype=np.float64)
    if not predicted.shape == present.shape == region.shape or region.ndim != 1 or not region.size:
        raise ValueError(
            'predicted, present and region must be (T,) with at least one frame, got '
            f'{predicted.shape}, {present.shape} and {region.shape}'
        )
    both, either = predicted & present, int((predicted | present).sum())
    absent = int((~present).sum())
    return PresenceScores(
        temporal_iou=int(both.sum()) / either if either else 1.0,
        video_iou=float(region[both].sum()) / either if either else 1.0,
        accuracy=float((predicted == present).mean()),
        false_alarm_rate=int((predicted & ~present).sum()) / absent if absent else float('nan'),
    )
