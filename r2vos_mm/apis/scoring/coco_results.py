"""Score a COCO results file of A2D-Sentences, JHMDB-Sentences or RefCOCO, without a model."""

from __future__ import annotations

import contextlib
import io
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from r2vos_mm.evaluation.functional.mean_ap import MaskCandidates, mean_average_precision
from r2vos_mm.evaluation.functional.overlap import mttr_overlap_scores
from r2vos_mm.evaluation.metrics.metric_values import MetricValue
from r2vos_mm.evaluation.metrics.pair_scores import PairScores
from r2vos_mm.evaluation.metrics.protocols import percent
from r2vos_mm.utils.data_issues import DataFileError, Problem
from r2vos_mm.utils.files import read_json
from r2vos_mm.utils.masks_io import compressed_rle

from .mask_files import Outcome


def score_results(
    results: Path, annotations: Path, missing_is_empty: bool
) -> tuple[Outcome, list[MaskCandidates]]:
    """Score a COCO results file: one annotation per image, any number of masks (A2D, RefCOCO).

    The annotation file has one image per sample (an expression on a frame) with one annotation; the
    results file lists ``{"image_id", "segmentation", "score"}``, the form of the ReferFormer and
    MTTR code.

    Returns:
        Per image, in the order of ids: scores of the mask with the highest score (the last one of
        equals), and numbers of all masks for mAP.

    Raises:
        FileNotFoundError, ValueError: A file is missing or has another form, an image does
            not have exactly one annotation, or a score is NaN; the message names the image.
    """
    coco, outcome, masks = COCO(), Outcome(), []
    coco.dataset = read_json(annotations)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
        predictions = read_results(results, coco, outcome)
        for image_id in sorted(coco.imgs):
            if not predictions[image_id]:
                what = 'counted as empty' if missing_is_empty else 'not scored'
                outcome.unread.append(Problem(f'image {image_id}', 'no masks', what))
            pair, candidates = score_image(coco, image_id, predictions[image_id], missing_is_empty)
            outcome.pairs.append(pair)
            masks.append(candidates)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f'{annotations} is not a COCO annotation file with images, their sizes and annotations '
            f'({error!r}): are PRED and GT swapped?'
        ) from error
    return outcome, masks


def extra_values(
    pairs: list[PairScores], masks: list[MaskCandidates], protocol: str
) -> list[MetricValue]:
    """Return mAP over all masks, and P@K and mean IoU as the released code rounds, in percent."""
    if not all(pair.is_read for pair in pairs):
        pairs, masks = [], []
    inter = [sum(pair.intersections) for pair in pairs]
    union = [pair.area + pair.gt_area - both for pair, both in zip(pairs, inter)]
    released = mttr_overlap_scores(inter, union)
    del released['oIoU']  # the same
    values = mean_average_precision(masks)
    values |= {f'released/{name}': value for name, value in released.items()}
    return [MetricValue(k, v, protocol, '-', 'quality') for k, v in percent(values).items()]


def read_results(
    results: Path, coco: COCO, outcome: Outcome
) -> dict[Any, list[tuple[float, dict[str, Any]]]]:
    """Return score and compressed run-length code of the usable predictions by image."""
    content = read_json(results, allow_nan=True)
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise ValueError(
            f'{results} is not a COCO results file, a list of predictions: are PRED and GT swapped?'
        )
    predictions = defaultdict(list)
    for number, item in enumerate(content):
        image_id, score = item.get('image_id'), item.get('score')
        where = f'{results}: entry {number}, image {image_id}'
        if not isinstance(image_id, (int, str)) or image_id not in coco.imgs:
            problem = Problem(where, 'the annotations have no such image', 'skipped')
            outcome.problems.append(problem)
            continue
        if not isinstance(score, (int, float)) or math.isnan(score):
            raise ValueError(f'{where}: the score is {score!r}, not a number')
        size = coco.imgs[image_id]['height'], coco.imgs[image_id]['width']
        try:
            code = compressed_rle(item.get('segmentation'), where, size)
            predictions[image_id].append((float(score), code))
        except DataFileError as error:
            outcome.problems.append(Problem(where, str(error), 'skipped'))
    return predictions


def score_image(
    coco: COCO,
    image_id: Any,
    found: list[tuple[float, dict[str, Any]]],
    missing_is_empty: bool,
) -> tuple[PairScores, MaskCandidates]:
    """Return the scores of the best mask of an image, and the numbers of all."""
    annotations, image = coco.imgToAnns[image_id], coco.imgs[image_id]
    if len(annotations) != 1:
        raise ValueError(f'image {image_id} has {len(annotations)} annotations, not one')
    truth = coco.annToRLE(annotations[0])
    gt_area = int(coco_mask.area(truth))
    rows = []
    for index, (score, code) in enumerate(found):
        both = coco_mask.merge([code, truth], intersect=True)
        area, inter = (int(coco_mask.area(mask)) for mask in (code, both))
        union = area + gt_area - inter
        rows.append((score, index, area, inter, inter / union if union else 0.0))
    empty = (0, 0, float(gt_area == 0)) if missing_is_empty else (math.nan,) * 3
    score, _, area, inter, iou = max(rows, default=(None, 0, *empty))
    video, text = str(image.get('file_name', image_id)), str(image.get('caption', ''))
    frame = (str(image_id),), image['height'] * image['width']
    counts = dict(areas=(area,), gt_areas=(gt_area,), intersections=(inter,), region=(iou,))
    identity = f'{image_id}/p', video, 'positive', text, False
    pair = PairScores(*identity, *frame, **counts, score=score)
    scores, _, areas, _, ious = zip(*rows) if rows else [()] * 5
    # mAP by size goes by the area that the annotation states.
    return pair, MaskCandidates(ious, scores, areas, annotations[0].get('area', gt_area))
