"""Compute mAP with pycocotools from the IoUs and areas of masks.

pycocotools matches and averages. It needs no more of the masks than these numbers, so that no mask
has to be kept until the end of a data set.
"""

import contextlib
import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

_NAMES = ('mAP', 'mAP@0.5', 'mAP@0.75', 'mAP_small', 'mAP_medium', 'mAP_large')


class MaskCandidates(NamedTuple):
    """IoU, confidence (comparable across samples) and pixels of N candidate masks, (N,) each.

    ``gt_area`` are the pixels of the one annotated mask of the sample.
    """

    ious: tuple[float, ...]
    scores: tuple[float, ...]
    areas: tuple[int, ...]
    gt_area: int


def mask_candidates(masks: np.ndarray, scores: Sequence[float], gt: np.ndarray) -> MaskCandidates:
    """Return the numbers of masks (N, H, W) and annotation (H, W), bool, with scores (N,)."""
    if masks.dtype != np.bool_ or gt.dtype != np.bool_:
        raise TypeError(f'masks must be bool, got {masks.dtype} and {gt.dtype}')
    if masks.ndim != 3 or masks.shape[1:] != gt.shape or len(masks) != len(scores):
        shapes = f'masks {masks.shape}, {len(scores)} scores, annotation {gt.shape}'
        raise ValueError(f'{shapes} do not match')
    if np.isnan(np.asarray(scores, dtype=np.float64)).any():
        raise ValueError(f'a score is NaN: {list(scores)}')
    inter, areas = (np.count_nonzero(found, axis=(1, 2)) for found in (masks & gt, masks))
    gt_area = int(np.count_nonzero(gt))
    unions = areas + gt_area - inter
    ious = np.divide(inter, unions, out=np.zeros(len(masks)), where=unions > 0).tolist()
    return MaskCandidates(tuple(ious), tuple(map(float, scores)), tuple(areas.tolist()), gt_area)


def mean_average_precision(samples: Sequence[MaskCandidates]) -> dict[str, float]:
    """Return mAP in [0, 1] over S samples with one annotation each (A2D, JHMDB).

    ``mAP``: mean over the IoU thresholds .50, .55, ..., .95. ``mAP@0.5``, ``mAP@0.75``: at one.
    ``mAP_small``, ``mAP_medium``, ``mAP_large``: as ``mAP``, for annotations below 32^2 pixels,
    from there to 96^2, and above. Without annotations of that size they are NaN.

    A prediction matches from IoU >= threshold on; 101 recall points, at most 100 predictions per
    sample; equal scores rank in the order of the samples.
    """
    if not samples:
        return dict.fromkeys(_NAMES, float('nan'))
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = _NumbersEval(samples)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    # pycocotools gives -1 where there is nothing to average.
    values = np.where(evaluation.stats >= 0, evaluation.stats, np.nan)
    return dict(zip(_NAMES, values.tolist()))


class _NumbersEval(COCOeval):
    """COCOeval that looks up IoUs instead of computing them; image i is sample i."""

    def __init__(self, samples: Sequence[MaskCandidates]) -> None:
        truth = _coco([[(sample.gt_area, 1.0)] for sample in samples])
        found = _coco([zip(sample.areas, sample.scores) for sample in samples])
        # 'segm' would encode segmentations, which these annotations lack.
        super().__init__(truth, found, 'bbox')
        self._samples = samples

    def computeIoU(self, imgId: int, catId: int) -> np.ndarray:  # noqa: N802, N803
        """Return the IoU (n, 1) of the up to 100 best predictions, best first."""
        sample = self._samples[imgId]
        order = np.argsort([-score for score in sample.scores], kind='mergesort')
        return np.asarray(sample.ious, dtype=np.float64)[order[: self.params.maxDets[-1]], None]


def _coco(images: Sequence[Iterable[tuple[int, float]]]) -> COCO:
    """Return a COCO data set in memory of one category, from area and score of masks per image."""
    coco = COCO()
    masks = [(image, *mask) for image, of_image in enumerate(images) for mask in of_image]
    # Ids start at 1: pycocotools treats a match with id 0 as no match.
    annotations = [
        dict(id=i, image_id=image, category_id=1, area=area, score=score, iscrowd=0)
        for i, (image, area, score) in enumerate(masks, 1)
    ]
    ids = [{'id': image} for image in range(len(images))]
    coco.dataset = {'images': ids, 'categories': [{'id': 1}], 'annotations': annotations}
    coco.createIndex()
    return coco
