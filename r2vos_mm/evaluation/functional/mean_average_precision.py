"""mAP of scored masks by pycocotools, from numbers instead of masks.

pycocotools matches and averages; what it needs of the masks is the IoU of each with the annotation
and the areas, so that no mask has to be kept until the end of a data set.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

_STATISTICS = 6


@dataclass(frozen=True)
class ScoredMasks:
    """The N predicted masks of one sample against its one annotated mask.

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
    """Figures in [0, 1]; -1 for a range of sizes without annotation, as pycocotools gives it.

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


def scored_masks(masks: np.ndarray, scores: Sequence[float], gt: np.ndarray) -> ScoredMasks:
    """What mAP needs of one sample.

    Args:
        masks: (N, H, W) bool predictions.
        scores: (N,) confidences.
        gt: (H, W) bool annotation.

    Raises:
        TypeError: if masks are not bool.
        ValueError: if sizes disagree or a score is NaN.
    """
    if masks.dtype != np.bool_ or gt.dtype != np.bool_:
        raise TypeError(f'masks must be bool, got {masks.dtype} and {gt.dtype}')
    if masks.ndim != 3 or masks.shape[1:] != gt.shape or len(masks) != len(scores):
        raise ValueError(
            f'{len(scores)} scores, masks of shape {masks.shape} and an annotation of shape '
            f'{gt.shape} do not go together'
        )
    if np.isnan(np.asarray(scores, dtype=np.float64)).any():
        raise ValueError(f'a score is NaN: {list(scores)}')
    intersections = np.count_nonzero(masks & gt, axis=(1, 2))
    areas, gt_area = np.count_nonzero(masks, axis=(1, 2)), int(np.count_nonzero(gt))
    unions = areas + gt_area - intersections
    ious = np.divide(intersections, unions, out=np.zeros(len(masks)), where=unions > 0)
    return ScoredMasks(
        tuple(ious.tolist()), tuple(map(float, scores)), tuple(areas.tolist()), gt_area
    )


def mean_average_precision(samples: Sequence[ScoredMasks]) -> MeanAveragePrecision:
    """mAP over S samples with one annotation each, categories ignored (A2D, JHMDB).

    A prediction matches from IoU >= threshold on; 101 recall points, at most 100 predictions per
    sample; equal scores rank in the order of the samples.

    Args:
        samples: S samples; all figures are NaN for S = 0.
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
    """COCOeval that looks the IoU up instead of computing it; image i is sample i."""

    def __init__(self, samples: Sequence[ScoredMasks]) -> None:
        truth = [_annotation(image, sample.gt_area) for image, sample in enumerate(samples)]
        found = [
            {**_annotation(image, area), 'score': score}
            for image, sample in enumerate(samples)
            for area, score in zip(sample.areas, sample.scores)
        ]
        images = [{'id': image} for image in range(len(samples))]
        # 'bbox' since 'segm' would turn segmentations, which are not there, into codes.
        super().__init__(_index(images, truth), _index(images, found), 'bbox')
        self._samples = samples

    def computeIoU(self, imgId: int, catId: int) -> np.ndarray:  # noqa: N802, N803
        """IoU (n, 1) of the up to 100 best predictions, best first."""
        sample = self._samples[imgId]
        order = np.argsort([-score for score in sample.scores], kind='mergesort')
        return np.asarray(sample.ious, dtype=np.float64)[order[: self.params.maxDets[-1]], None]


def _annotation(image: int, area: int) -> dict:
    """An annotation of one category without segmentation."""
    return {'image_id': image, 'category_id': 1, 'area': area, 'iscrowd': 0}


def _index(images: list[dict], annotations: list[dict]) -> COCO:
    """A COCO data set held in memory."""
    # Ids start at 1: pycocotools takes a match with id 0 for none.
    numbered = [{**entry, 'id': number} for number, entry in enumerate(annotations, 1)]
    coco = COCO()
    coco.dataset = {'images': images, 'annotations': numbered, 'categories': [{'id': 1}]}
    coco.createIndex()
    return coco
