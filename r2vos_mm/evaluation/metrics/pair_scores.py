"""Score the masks of pairs and objects and keep the numbers; masks are not kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

import numpy as np

from r2vos_mm.utils.formats.ref_davis17 import NUM_EXPRESSION_SETS, expression_set_of
from r2vos_mm.utils.masks_io import boxes_of_masks

from ..functional.boxes import box_ious
from ..functional.matching import assign_scores, resolve_overlaps, score_proposals
from ..functional.mean_ap import MaskCandidates, mask_candidates
from ..functional.region_contour import score_masks
from .eval_sample import EvalSample


@dataclass(frozen=True)
class PairScores:
    """Scores of one pair: an expression shown with a video, and the masks predicted for it.

    Attributes:
        frame_ids: names of the T frames.
        frame_pixels: pixels H * W of one frame.
        areas: predicted foreground pixels per frame (T,). They, ``intersections``, J and F are NaN
            in frames whose prediction was not read.
        gt_areas: annotated foreground pixels per frame (T,); None for negative pairs and without
            annotation, as are the next three.
        intersections: pixels of both prediction and annotation per frame (T,).
        region, contour: J and F per frame (T,).
        consensus: probability that the expression belongs to the video; None without verdict.
        score: mean over frames of the score of the predicted mask, None if the model gives none.
        foreground_areas: pixels of any annotated object per frame (T,), None if unknown.
        sentence_type: 0, 1 or 2 (referring, reasoning, no target), None if unknown.
        text_type: name such as static or dynamic (Long-RVOS), '' for none.
        box_ious, mask_box_ious: IoU of the box around the annotated mask with the box of the chosen
            query, and with that around the mask before the gate, per frame (T,); None if not asked
            for.
        candidates: numbers of all candidate masks before the gate per frame (T,), None if unknown.
        before_gate: scores of the same pair before the gate; None if the gate changed nothing.
    """

    pair_id: str
    video: str
    kind: str
    expression: str
    is_negative: bool
    frame_ids: tuple[str, ...]
    frame_pixels: int
    areas: tuple[int, ...]
    gt_areas: tuple[int, ...] | None = None
    intersections: tuple[int, ...] | None = None
    region: tuple[float, ...] | None = None
    contour: tuple[float, ...] | None = None
    consensus: float | None = None
    score: float | None = None
    foreground_areas: tuple[int, ...] | None = None
    sentence_type: int | None = None
    text_type: str = ''
    box_ious: tuple[float, ...] | None = None
    mask_box_ious: tuple[float, ...] | None = None
    candidates: tuple[MaskCandidates, ...] | None = None
    before_gate: PairScores | None = None

    @property
    def area(self) -> int:
        """Predicted foreground pixels, summed over frames."""
        return sum(self.areas)

    @property
    def is_read(self) -> bool:
        """Whether the predictions of all frames were read."""
        return not isnan(self.area)

    @property
    def gt_area(self) -> int | None:
        """Annotated foreground pixels, summed over frames; None for negatives and unannotated."""
        return None if self.gt_areas is None else sum(self.gt_areas)

    @property
    def fraction(self) -> float:
        """Predicted share of foreground."""
        return self.area / (len(self.frame_ids) * self.frame_pixels)

    @property
    def stem(self) -> str:
        """The part of the id that a positive pair and its negatives share, up to the last slash."""
        return self.pair_id.rpartition('/')[0] or self.pair_id

    @property
    def identity(self) -> tuple[Any, ...]:
        """The values that must agree when two processes scored the same pair."""
        pair = self.pair_id, self.video, self.kind, self.expression, self.is_negative
        truth = self.frame_ids, self.frame_pixels, self.gt_areas, self.foreground_areas
        return (*pair, *truth, self.sentence_type)


@dataclass(frozen=True)
class ObjectScores:
    """J and F per frame (T,) of one object of the protocol ``davis_unsup``.

    ``expression_set`` is the number, 0 to 3, of the set of expressions that the masks are for.
    ``before_gate`` are the scores of the same object before the gate; None if no mask was gated.
    """

    video: str
    obj_id: str
    expression_set: int
    frame_ids: tuple[str, ...]
    region: tuple[float, ...]
    contour: tuple[float, ...]
    before_gate: ObjectScores | None = None

    @property
    def pair_id(self) -> str:
        """``<video>/annotator<expression set>/object<id>``."""
        return f'{self.video}/annotator{self.expression_set}/object{self.obj_id}'

    @property
    def identity(self) -> tuple[Any, ...]:
        """The values that must agree when two processes scored the same object."""
        return (self.pair_id, self.frame_ids)

    @property
    def expression(self) -> str:
        """A name for messages."""
        return f'expression set {self.expression_set}, object {self.obj_id}'


def frame_scores(pred: np.ndarray, gt: np.ndarray | None, *, bound_th: float) -> dict[str, tuple]:
    """Return the fields of :class:`PairScores` that come from masks (T, H, W) bool.

    ``gt`` is None for negative and unannotated pairs.
    """
    if gt is None:
        return {'areas': _count_pixels(pred)}
    names = ('region', 'contour', 'areas', 'gt_areas', 'intersections')
    scores = score_masks(pred, gt, bound_th=bound_th)
    return {name: tuple(values.tolist()) for name, values in zip(names, scores)}


def _count_pixels(masks: Iterable[np.ndarray]) -> tuple[int, ...]:
    return tuple(int(np.count_nonzero(mask)) for mask in masks)


def known_consensus(pairs: Iterable[PairScores]) -> list[float]:
    """Return the consensus of the pairs that have one, in their order."""
    return [pair.consensus for pair in pairs if pair.consensus is not None]


def emptied(pair: PairScores) -> PairScores:
    """Return the scores that empty masks would have, as a gate that rejects the pair gives them.

    J is 1 in frames without the object, F in frames whose annotation has no boundary, which is that
    of an empty or a full frame.
    """
    none = (0,) * len(pair.frame_ids)
    if pair.gt_areas is None:
        return replace(pair, areas=none, before_gate=None)
    region = tuple(float(area == 0) for area in pair.gt_areas)
    contour = tuple(float(area in (0, pair.frame_pixels)) for area in pair.gt_areas)
    scores = dict(areas=none, intersections=none, region=region, contour=contour)
    return replace(pair, **scores, before_gate=None)


def pair_scores(sample: EvalSample, *, bound_th: float, boxes: bool = False) -> list[PairScores]:
    """Return the scores after the gate of all P pairs of a data sample, in its order.

    With ``boxes``, boxes are scored, too.
    """
    foreground = None if sample.foreground is None else _count_pixels(sample.foreground)
    found = [_score_pair(sample, i, foreground, bound_th) for i in range(len(sample.pair_ids))]
    return [_with_boxes(pair, sample, i) for i, pair in enumerate(found)] if boxes else found


def _score_pair(
    sample: EvalSample, index: int, foreground: tuple[int, ...] | None, bound_th: float
) -> PairScores:
    """Score one pair; frames that the gate left alone are scored once."""

    def own(values: Any, kind: type = int) -> Any:
        return None if values is None else kind(np.mean(values[index]))

    gated, ungated, is_negative = (
        values[index] for values in (sample.gated, sample.ungated, sample.is_negative)
    )
    gt = None if sample.annotated is None or is_negative else sample.annotated[index]
    texts = sample.pair_ids[index], sample.video, sample.kinds[index], sample.expressions[index]
    scores = PairScores(
        *(*texts, bool(is_negative), sample.frame_ids, gated[0].size),
        consensus=own(sample.consensus, float),
        score=own(sample.scores, float),
        foreground_areas=foreground,
        sentence_type=own(sample.sentence_types),
        text_type=sample.text_types[index] if sample.text_types else '',
        candidates=_candidates(sample, index, gt),
        **frame_scores(ungated, gt, bound_th=bound_th),
    )
    changed = (gated != ungated).any(axis=(1, 2))
    return _after_gate(scores, gated, gt, changed, bound_th) if changed.any() else scores


def _candidates(
    sample: EvalSample, index: int, gt: np.ndarray | None
) -> tuple[MaskCandidates, ...] | None:
    """Return the numbers of a pair's candidate masks per frame (T,), None without annotation."""
    if sample.candidate_masks is None or gt is None:
        return None
    masks, confidences = sample.candidate_masks[index], sample.candidate_scores[index]
    return tuple(map(mask_candidates, masks, confidences.tolist(), gt))


def _after_gate(
    scores: PairScores,
    gated: np.ndarray,
    gt: np.ndarray | None,
    changed: np.ndarray,
    bound_th: float,
) -> PairScores:
    """Return scores with those of gated masks (T, H, W) in the frames ``changed`` (T,) bool."""
    part = frame_scores(gated[changed], None if gt is None else gt[changed], bound_th=bound_th)
    for name, values in part.items():
        array = np.array(getattr(scores, name))
        array[changed] = values
        part[name] = tuple(array.tolist())
    return replace(scores, **part, before_gate=scores)


def _with_boxes(pair: PairScores, sample: EvalSample, index: int) -> PairScores:
    """Add the scores of boxes to those of an annotated pair."""
    if pair.gt_areas is None:
        return pair
    truth = boxes_of_masks(sample.annotated[index])
    boxes = dict(mask_box_ious=boxes_of_masks(sample.ungated[index]))
    if sample.boxes is not None:
        boxes['box_ious'] = sample.boxes[index]
    ious = {name: tuple(box_ious(found, truth).tolist()) for name, found in boxes.items()}
    before = pair.before_gate and replace(pair.before_gate, **ious)
    return replace(pair, **ious, before_gate=before)


def object_scores(sample: EvalSample, *, bound_th: float) -> list[ObjectScores]:
    """Match the masks of each expression set with the objects by the protocol ``davis_unsup``.

    Ref-DAVIS17 has four expressions for each object, one per set: two annotators wrote two each.
    Expression ``4 * o + k`` belongs to object o and set k. The masks of one set for all objects are
    drawn into one map, and matched with the objects. Pixels that several masks claim go to the one
    whose score is highest in that frame. The published protocol decides by the probability of each
    pixel, which bool masks no longer have; results can differ by the pixels in dispute. The objects
    are those that have an expression; negative pairs are ignored.

    Raises:
        ValueError: The sample has no annotation, no object ids, or expression ids that are not
            numbers.
    """
    positives = np.flatnonzero(~sample.is_negative)
    _check_objects(sample, positives)
    objects = {sample.obj_ids[i]: sample.annotated[i] for i in reversed(positives)}
    names = sorted(objects, key=lambda name: (len(name), name))
    truth = np.stack([objects[name] for name in names])
    is_gated = sample.gated is not sample.ungated
    found = []
    for number in range(NUM_EXPRESSION_SETS):
        chosen = [i for i in positives if expression_set_of(sample.exp_ids[i]) == number]
        scores: list[ObjectScores] = []
        for masks in (sample.ungated, sample.gated)[: 1 + is_gated] if chosen else ():
            maps = one_owner(sample, masks, chosen)
            matched = score_proposals(maps, truth, void=sample.void, bound_th=bound_th)
            matched = assign_scores(matched)
            scores = objects_of(sample.video, number, names, sample.frame_ids, matched, scores)
        found += scores
    return found


def objects_of(
    video: str,
    expression_set: int,
    names: Sequence[str],
    frame_ids: tuple[str, ...],
    matched: np.ndarray,
    before_gate: Sequence[ObjectScores] = (),
) -> list[ObjectScores]:
    """Return the scores of O objects, whose ids are ``names``, from their J and F (2, O, T)."""
    identity, before = (expression_set, frame_ids), before_gate or [None] * len(names)
    return [
        ObjectScores(video, name, *identity, *map(tuple, matched[:, i].tolist()), before[i])
        for i, name in enumerate(names)
    ]


def one_owner(sample: EvalSample, masks: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """Return the chosen masks (N, T, H, W) without overlap; the higher score owns a pixel."""
    scores = np.zeros((len(chosen), len(sample.frame_ids)))
    if sample.scores is not None:
        scores += np.reshape(sample.scores[chosen], (len(chosen), -1))
    return resolve_overlaps(masks[chosen], scores)


def _check_objects(sample: EvalSample, positives: np.ndarray) -> None:
    """Raise for a sample to which the protocol ``davis_unsup`` cannot be applied."""
    where = f'protocol davis_unsup: video {sample.video!r}'
    if sample.annotated is None or not len(positives):
        raise ValueError(f'{where} has no annotated positive pairs')
    if sample.obj_ids is None or any(not sample.obj_ids[i] for i in positives):
        raise ValueError(f'{where} has expressions without object id (gt_pairs.obj_ids)')
    if sample.exp_ids is None or any(not sample.exp_ids[i].isdecimal() for i in positives):
        raise ValueError(f'{where} has expression ids that are not numbers 4 * object + set')
