"""Compute mAP with pycocotools from the IoUs and areas of masks.

pycocotools matches and averages. It needs no more of the masks than these numbers, so that no mask
has to be kept until the end of a data set.
"""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

_STATISTICS = 6


@dataclass(frozen=True)
class MaskCandidates:
    """Numbers of the N candidate masks of one sample and of its one annotated mask.

    Attributes:
        ious: (N,) IoU of each prediction with the annotation.
        scores: (N,) confidence of each, comparable across samples.
        areas: (N,) predicted pixels of each.
        gt_area: annotated pixels.
    """

    ious: tuple[float, ...]
    scores: tuple[float, ...]
    areas: tuple[int, ...]
    gt_area: int


@dataclass(frozen=True)
class MeanAveragePrecision:
    """mAP in [0, 1]; -1 for a range of sizes without annotation, as in pycocotools.

    Attributes:
        mean: mean over the IoU thresholds .50, .55, ..., .95.
        at_50, at_75: at one threshold.
        small, medium, large: as ``mean``, for annotations below 32^2 pixels, from there to 96^2,
            and above.
    """

    mean: float
    at_50: float
    at_75: float
    small: float
    medium: float
    large: float


def mask_candidates(masks: np.ndarray, scores: Sequence[float], gt: np.ndarray) -> MaskCandidates:
    """Return the numbers of one sample that mAP needs.

    Args:
        masks: (N, H, W) bool predictions.
        scores: (N,) confidences.
        gt: (H, W) bool annotation.

    Raises:
        TypeError: Masks are not bool.
        ValueError: Sizes disagree, or a score is NaN.
    """
    if masks.dtype != np.bool_ or gt.dtype != np.bool_:
        raise TypeError(f'masks must be bool, got {masks.dtype} and {gt.dtype}')
    if masks.ndim != 3 or masks.shape[1:] != gt.shape or len(masks) != len(scores):
        raise ValueError(
            f'{len(scores)} scores, masks of shape {masks.shape} and an annotation of shape '
            f'{gt.shape} do not match'
        )
    if np.isnan(np.asarray(scores, dtype=np.float64)).any():
        raise ValueError(f'a score is NaN: {list(scores)}')
    intersections = np.count_nonzero(masks & gt, axis=(1, 2))
    areas, gt_area = np.count_nonzero(masks, axis=(1, 2)), int(np.count_nonzero(gt))
    unions = areas + gt_area - intersections
    ious = np.divide(intersections, unions, out=np.zeros(len(masks)), where=unions > 0)
    return MaskCandidates(
        tuple(ious.tolist()), tuple(map(float, scores)), tuple(areas.tolist()), gt_area
    )


def mean_average_precision(samples: Sequence[MaskCandidates]) -> MeanAveragePrecision:
    """Return mAP over S samples with one annotation each, categories ignored (A2D, JHMDB).

    A prediction matches from IoU >= threshold on; 101 recall points, at most 100 predictions per
    sample; equal scores rank in the order of the samples.

    Args:
        samples: S samples; all values are NaN for S = 0.
    """
    if not samples:
        return MeanAveragePrecision(*[float('nan')] * _STATISTICS)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = _NumbersEval(samples)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return MeanAveragePrecision(*map(float, evaluation.stats[:_STATISTICS]))


class _NumbersEval(COCOeval):
    """COCOeval that looks up IoUs instead of computing them; image i is sample i."""

    def __init__(self, samples: Sequence[MaskCandidates]) -> None:
        truth = [_annotation(image, sample.gt_area) for image, sample in enumerate(samples)]
        found = [
            {**_annotation(image, area), 'score': score}
            for image, sample in enumerate(samples)
            for area, score in zip(sample.areas, sample.scores)
        ]
        images = [{'id': image} for image in range(len(samples))]
        # 'segm' would encode segmentations, which these annotations lack.
        super().__init__(_index(images, truth), _index(images, found), 'bbox')
        self._samples = samples

    def computeIoU(self, imgId: int, catId: int) -> np.ndarray:  # noqa: N802, N803
        """Return the IoU (n, 1) of the up to 100 best predictions, best first."""
        sample = self._samples[imgId]
        order = np.argsort([-score for score in sample.scores], kind='mergesort')
        return np.asarray(sample.ious, dtype=np.float64)[order[: self.params.maxDets[-1]], None]


def _annotation(image: int, area: int) -> dict:
    """Return an annotation of one category without segmentation."""
    return {'image_id': image, 'category_id': 1, 'area': area, 'iscrowd': 0}


def _index(images: list[dict], annotations: list[dict]) -> COCO:
    """Return a COCO data set held in memory."""
    # Ids start at 1: pycocotools treats a match with id 0 as no match.
    numbered = [{**entry, 'id': number} for number, entry in enumerate(annotations, 1)]
    coco = COCO()
    coco.dataset = {'images': images, 'annotations': numbered, 'categories': [{'id': 1}]}
    coco.createIndex()
    return coco
