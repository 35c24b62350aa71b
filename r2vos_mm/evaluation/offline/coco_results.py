"""Scores a COCO results file: one annotation per image, any number of scored masks (A2D, RefCOCO).

The annotation file has one image entry per sample (a sentence on a frame) and one annotation for
it; the results file lists ``{"image_id", "segmentation", "score"}``, the form of the ReferFormer
and MTTR code.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from r2vos_mm.utils.files import read_json

from ..functional import ScoredMasks, mttr_overlap_scores
from ..metrics.figures import Figure
from ..metrics.pair_rows import MaskResult, PairRow
from ..metrics.protocols import average_precision_figures
from .mask_files import MaskFileError, decode_rle
from .scoring import Problem


@dataclass(frozen=True)
class CocoOutcome:
    """What scoring a results file gave.

    Attributes:
        rows: one per image, of the mask with the highest score (the last one of equals).
        masks: per image, all its masks, for mAP; images in the order of their ids.
        problems: images without masks, and masks that could not be used.
    """

    rows: list[PairRow]
    masks: list[ScoredMasks]
    problems: list[Problem]


def score_results(results: Path, annotations: Path) -> CocoOutcome:
    """Score a results file.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not of that form, an image has not exactly one annotation, or a score
            is NaN; the message names the image.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = read_json(annotations)
        coco.createIndex()
    predictions, problems = _predictions(results, coco)
    outcome = CocoOutcome([], [], problems)
    for image_id in sorted(coco.imgs):
        found = predictions.get(image_id, [])
        if not found:
            problems.append(Problem(f'image {image_id}', 'no masks', 'counted as empty'))
        _score_image(coco, image_id, found, outcome)
    return outcome


def extra_figures(outcome: CocoOutcome, protocol: str) -> list[Figure]:
    """mAP over all masks, and P@K and mean IoU rounded as in the released code, in percent."""
    inter = [sum(row.gated.intersections) for row in outcome.rows]
    union = [row.gated.area + row.gt_area - i for row, i in zip(outcome.rows, inter)]
    released = mttr_overlap_scores(inter, union)
    values = {
        **average_precision_figures(outcome.masks),
        **{f'released/P@{k:g}': 100 * share for k, share in released.precision_at.items()},
        'released/mIoU': 100 * released.mean_iou,
    }
    return [Figure(key, value, protocol, '-', 'quality') for key, value in values.items()]


def _predictions(
    results: Path, coco: COCO
) -> tuple[dict[Any, list[dict[str, Any]]], list[Problem]]:
    """Usable predictions by image, and those that are not."""
    content = read_json(results)
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise ValueError(f'{results} is not a COCO results file: a list of predictions')
    predictions, problems = defaultdict(list), []
    for number, item in enumerate(content):
        image_id, score = item.get('image_id'), item.get('score')
        where = f'{results}: entry {number}, image {image_id}'
        if image_id not in coco.imgs:
            problems.append(Problem(where, 'the annotations have no such image', 'left out'))
            continue
        if not isinstance(score, (int, float)) or math.isnan(score):
            raise ValueError(f'{where}: the score is {score!r}, not a number')
        try:
            code = _code(item.get('segmentation'), where)
        except MaskFileError as error:
            problems.append(Problem(where, str(error), 'left out'))
            continue
        image = coco.imgs[image_id]
        if tuple(code['size']) != (image['height'], image['width']):
            what = f'size {tuple(code["size"])}, image {(image["height"], image["width"])}'
            problems.append(Problem(where, what, 'left out'))
            continue
        predictions[image_id].append({'code': code, 'score': float(score)})
    return predictions, problems


def _code(segmentation: Any, where: str) -> dict[str, Any]:
    """The compressed run-length code of a prediction, checked."""
    decode_rle(segmentation, where)
    if isinstance(segmentation['counts'], list):
        return coco_mask.frPyObjects(segmentation, *segmentation['size'])
    return segmentation


def _score_image(
    coco: COCO, image_id: Any, found: list[dict[str, Any]], outcome: CocoOutcome
) -> None:
    """Add the row and the masks of one image."""
    annotations = coco.imgToAnns[image_id]
    if len(annotations) != 1:
        raise ValueError(f'image {image_id} has {len(annotations)} annotations, not one')
    truth, image = coco.annToRLE(annotations[0]), coco.imgs[image_id]
    codes = [entry['code'] for entry in found]
    gt_area = int(coco_mask.area(truth))
    areas = [int(coco_mask.area(code)) for code in codes]
    both = [int(coco_mask.area(coco_mask.merge([code, truth], intersect=True))) for code in codes]
    unions = [area + gt_area - inter for area, inter in zip(areas, both)]
    ious = [inter / union if union else 0.0 for inter, union in zip(both, unions)]
    scores = [entry['score'] for entry in found]
    # Sizes S, M, L go by the area that the annotation states.
    stated = annotations[0].get('area', gt_area)
    outcome.masks.append(ScoredMasks(tuple(ious), tuple(scores), tuple(areas), stated))
    best = max(range(len(scores)), key=lambda index: (scores[index], index), default=None)
    result = (
        MaskResult((0,), (0,), (float(gt_area == 0),))
        if best is None
        else MaskResult((areas[best],), (both[best],), (ious[best],))
    )
    outcome.rows.append(
        PairRow(
            pair_id=f'{image_id}/p',
            video=str(image.get('file_name', image_id)),
            kind='positive',
            sentence=str(image.get('caption', '')),
            is_negative=False,
            frame_ids=(str(image_id),),
            frame_pixels=image['height'] * image['width'],
            consensus=None,
            score=None if best is None else scores[best],
            gt_areas=(gt_area,),
            gated=result,
            ungated=result,
        )
    )
