"""Score boxes of referring expressions: IoU, and precision with and without a verdict."""

from collections.abc import Sequence

import numpy as np

from .overlap import mean_or_nan


def box_ious(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the IoU (T,) of boxes (T, 4), x1, y1, x2, y2, with others; 0 where both are empty.

    >>> box_ious(np.array([[0, 0, 4, 2]]), np.array([[1, 0, 5, 2]])).tolist()
    [0.6]
    """
    boxes, others = (np.asarray(values, np.float64) for values in (boxes, others))
    corners = np.maximum(boxes[:, :2], others[:, :2]), np.minimum(boxes[:, 2:], others[:, 2:])
    common = (corners[1] - corners[0]).clip(min=0).prod(-1)
    areas = [(values[:, 2:] - values[:, :2]).clip(min=0).prod(-1) for values in (boxes, others)]
    union = areas[0] + areas[1] - common
    return np.divide(common, union, out=np.zeros(len(common)), where=union > 0)


def box_scores(
    ious: Sequence[float],
    answered: Sequence[bool],
    has_target: Sequence[bool],
    *,
    threshold: float = 0.5,
) -> dict[str, float]:
    """Return how many of S boxes are right, in [0, 1]; NaN without the samples in question.

    ``P``: (number of samples with target that are answered with an IoU of at least the threshold) /
    (number of samples with target). This is the precision at 0.5 of visual grounding.
    ``acc``: (that number + number of samples without target that are not answered) / S. So a
    rejected expression that has a target is wrong, and so is an answered one that has none. NaN
    unless there are samples of both kinds.

    Args:
        ious: (S,) IoU with the annotated box; of no effect without target.
        answered: (S,) whether a box is given.
        has_target: (S,) whether the expression has a target.
        threshold: smallest IoU of a right box.
    """
    answered, target = np.asarray(answered, dtype=bool), np.asarray(has_target, dtype=bool)
    if not len(ious) == len(answered) == len(target):
        counts = f'{len(ious)} IoUs, {len(answered)} answered, {len(target)} has_target'
        raise ValueError(f'one entry per sample is needed, got {counts}')
    is_right = answered & (np.asarray(ious, dtype=np.float64) >= threshold)
    has_both = target.any() and not target.all()
    accuracy = np.where(target, is_right, ~answered) if has_both else ()
    return {'P': mean_or_nan(is_right[target]), 'acc': mean_or_nan(accuracy)}
