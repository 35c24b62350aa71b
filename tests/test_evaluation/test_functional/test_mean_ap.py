"""mAP: examples by hand, and equality with pycocotools on masks."""

from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from r2vos_mm.evaluation import MaskCandidates, mask_candidates, mean_average_precision


def sample(*predictions: tuple[float, float]) -> MaskCandidates:
    """A sample of 1,000 annotated pixels with predictions of (IoU, score)."""
    ious, scores = zip(*predictions)
    return MaskCandidates(ious, scores, (1000,) * len(ious), 1000)


def test_two_images():
    # .5-.6 (3 thresholds): both right, AP 1; .65-.8 (4): one of two, 51 of 101 recall points
    values = mean_average_precision([sample((0.82, 0.9)), sample((0.62, 0.5))])
    assert values['mAP'] == pytest.approx((3 * 1 + 4 * 51 / 101) / 10)
    assert values['mAP@0.5'] == pytest.approx(1)
    assert values['mAP@0.75'] == pytest.approx(51 / 101)
    # 1,000 pixels is below 32^2
    assert values['mAP_small'] == values['mAP']
    assert math.isnan(values['mAP_medium'])
    assert math.isnan(values['mAP_large'])


def test_scores_swapped():
    # At .65-.8 the false positive ranks first: precision 1/2 at 51 points
    values = mean_average_precision([sample((0.82, 0.5)), sample((0.62, 0.9))])
    assert values['mAP'] == pytest.approx((3 * 1 + 4 * 51 / 101 / 2) / 10)


def test_second_mask_on_an_image():
    # Ranks: right (.9), wrong (.7), right (.5): 51 points at 1, 50 at 2/3
    values = mean_average_precision([sample((0.82, 0.9), (0.1, 0.7)), sample((0.62, 0.5))])
    assert values['mAP@0.5'] == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert values['mAP'] == pytest.approx(0.45248, abs=5e-6)


def test_an_iou_at_the_threshold_matches():
    # .5 counts at .50 only
    assert mean_average_precision([sample((0.5, 0.9))])['mAP'] == pytest.approx(1 / 10)


def test_no_predictions_and_no_samples():
    assert mean_average_precision([MaskCandidates((), (), (), 10)])['mAP'] == 0
    assert math.isnan(mean_average_precision([])['mAP'])


def test_equals_pycocotools_on_masks():
    rng = np.random.default_rng(0)
    truth, found, samples = [], [], []
    for image in range(6):
        gt = np.zeros((60, 70), dtype=bool)
        gt[10 : 30 + 5 * image, 5:60] = True
        masks = np.stack([np.roll(gt, shift, axis=1) for shift in rng.integers(0, 30, 4)])
        scores = rng.random(4).round(1).tolist()
        samples.append(mask_candidates(masks, scores, gt))
        truth.append({'id': image + 1, 'image_id': image, 'category_id': 1, 'iscrowd': 0,
                      'segmentation': code(gt), 'area': int(gt.sum())})  # fmt: skip
        found += [
            {'image_id': image, 'category_id': 1, 'segmentation': code(mask), 'score': score}
            for mask, score in zip(masks, scores)
        ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {'images': [{'id': image, 'height': 60, 'width': 70} for image in range(6)],
                        'annotations': truth, 'categories': [{'id': 1}]}  # fmt: skip
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), 'segm')
        evaluation.params.useCats = 0
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = mean_average_precision(samples)
    expected = evaluation.stats[:6].tolist()
    found = [-1 if math.isnan(value) else value for value in values.values()]
    assert found == expected


def code(mask: np.ndarray) -> dict:
    """Run-length code of a mask."""
    return coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))


def test_mask_candidates():
    gt = np.zeros((4, 5), dtype=bool)
    gt[1:3, 1:4] = True
    half = gt.copy()
    half[2] = False
    numbers = mask_candidates(np.stack([gt, half, ~gt]), [0.3, 0.2, 0.1], gt)
    assert numbers == MaskCandidates((1.0, 0.5, 0.0), (0.3, 0.2, 0.1), (6, 3, 14), 6)
    # Column by column: 5 off, 2 on, 2 off, 2 on, 2 off, 2 on, 5 off
    assert code(gt) == {'size': [4, 5], 'counts': b'5220003'}


def test_wrong_masks_are_refused():
    gt = np.ones((4, 5), dtype=bool)
    with pytest.raises(TypeError, match='bool'):
        mask_candidates(np.ones((1, 4, 5), dtype=np.uint8), [1.0], gt)
    with pytest.raises(ValueError, match='do not match'):
        mask_candidates(np.ones((2, 4, 5), dtype=bool), [1.0], gt)
    with pytest.raises(ValueError, match='NaN'):
        mask_candidates(np.ones((1, 4, 5), dtype=bool), [float('nan')], gt)
