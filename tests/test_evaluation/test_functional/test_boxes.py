"""Boxes: IoU, and precision with and without negatives, by hand and by brute force."""

import numpy as np
import pytest

from r2vos_mm.evaluation.functional import box_ious, box_scores, boxes_of_masks


def test_iou_by_hand() -> None:
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 0, 0], [5, 5, 3, 3]])
    others = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [2, 0, 4, 2], [0, 0, 0, 0], [0, 0, 2, 2]])
    # equal; 1 of 4 + 4 - 1; side by side; both empty; corners in the wrong order
    assert box_ious(boxes, others).tolist() == [1, 1 / 7, 0, 0, 0]


def test_against_counting_pixels() -> None:
    rng = np.random.default_rng(0)
    masks = rng.random((2, 200, 6, 7)) < 0.06
    found, others = map(boxes_of_masks, masks)

    def filled(box: np.ndarray) -> np.ndarray:
        grid = np.zeros((6, 7), bool)
        grid[box[1] : box[3], box[0] : box[2]] = True
        return grid

    for box, mask in zip(found, masks[0]):
        # the smallest box: it covers the mask, and each of its sides touches it
        grid = filled(box)
        assert (mask <= grid).all()
        inside = mask[box[1] : box[3], box[0] : box[2]]
        assert not mask.any() or all(inside.take(i, axis).any() for i in (0, -1) for axis in (0, 1))
    wanted = []
    for one, other in zip(found, others):
        a, b = filled(one), filled(other)
        wanted.append((a & b).sum() / max((a | b).sum(), 1))
    assert box_ious(found, others) == pytest.approx(wanted)


def test_precision_by_hand() -> None:
    # positives: right, at the threshold, too small, right but rejected; negatives: one answered
    ious = [0.9, 0.5, 0.4, 0.8, 0.7, 0.0]
    answered = [True, True, True, False, True, False]
    target = [True, True, True, True, False, False]
    assert box_scores(ious, answered, target) == {'P': 2 / 4, 'acc': (2 + 1) / 6}
    assert box_scores(ious, answered, target, threshold=0.6)['P'] == 1 / 4
    # without a verdict, everything is answered
    assert box_scores(ious, [True] * 6, target) == {'P': 3 / 4, 'acc': 3 / 6}


def test_without_the_samples_in_question() -> None:
    only = box_scores([0.9], [True], [True])
    assert (only['P'], np.isnan(only['acc'])) == (1, True)
    assert all(np.isnan(value) for value in box_scores([], [], []).values())
    with pytest.raises(ValueError, match='1 IoUs, 2 answered, 1 has_target'):
        box_scores([0.5], [True, True], [True])
