"""Measure whether a model detects in which frames the object is present.

tIoU and vIoU are those of spatio-temporal grounding (Zhang et al., "Where Does It Exist", CVPR
2020), taken over the *set* of frames with foreground, so that an object may leave and come back.
"""

import numpy as np


def presence_scores(
    predicted: np.ndarray, present: np.ndarray, region: np.ndarray
) -> dict[str, float]:
    """Return the presence scores of one sample, in [0, 1].

    ``tIoU``: frames where both have foreground / frames where one has; 1 if none, as in Long-RVOS.
    ``tIoU_yourvos``: the same, but 0 if none, as in YoURVOS.
    ``vIoU``: sum of J over the former / number of the latter; 1 if none.
    ``presence_accuracy``: share of frames where prediction and annotation agree on presence.
    ``false_alarm_rate``: share of the frames without the object that have a prediction; NaN if the
    object is always present.

    Args:
        predicted, present: (T,) bool, frames with predicted and with annotated foreground, T >= 1.
        region: (T,) float, J per frame.
    """
    predicted, present = np.asarray(predicted, dtype=bool), np.asarray(present, dtype=bool)
    region = np.asarray(region, dtype=np.float64)
    if not predicted.shape == present.shape == region.shape or region.ndim != 1 or not region.size:
        shapes = f'{predicted.shape}, {present.shape} and {region.shape}'
        raise ValueError(f'predicted, present and region must be (T,), T >= 1, got {shapes}')
    both, either = predicted & present, int((predicted | present).sum())
    absent = predicted[~present]
    return {
        'tIoU': int(both.sum()) / either if either else 1.0,
        'tIoU_yourvos': int(both.sum()) / either if either else 0.0,
        'vIoU': float(region[both].sum()) / either if either else 1.0,
        'presence_accuracy': float((predicted == present).mean()),
        'false_alarm_rate': float(absent.mean()) if len(absent) else float('nan'),
    }
