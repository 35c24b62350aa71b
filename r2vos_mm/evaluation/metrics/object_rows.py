"""Rows of the unsupervised protocol of DAVIS 2017: one per video, annotator and object.

Ref-DAVIS17 has four sentences for each object, one per annotator. The sentences of one annotator
for all objects of a video are drawn into one map, in which each pixel has one owner, and matched to
the objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..functional import resolve_overlaps, score_proposals
from .scored_sample import ScoredSample

NUM_ANNOTATORS = 4


@dataclass(frozen=True)
class ObjectResult:
    """J and F of an object per frame, (T,) each."""

    region: tuple[float, ...]
    contour: tuple[float, ...]


@dataclass(frozen=True)
class ObjectRow:
    """What one annotator's sentences are worth for one object.

    Attributes:
        pair_id: ``<video>/annotator<k>/object<id>``.
        video, obj_id: which object.
        annotator: 0 to 3.
        frame_ids: names of the T frames.
        gated, ungated: results of the masks after and before the gate.
    """

    pair_id: str
    video: str
    obj_id: str
    annotator: int
    frame_ids: tuple[str, ...]
    gated: ObjectResult
    ungated: ObjectResult

    @property
    def identity(self) -> tuple[Any, ...]:
        """What must agree when the same object was scored by two processes."""
        return (self.pair_id, self.video, self.obj_id, self.annotator, self.frame_ids)

    @property
    def sentence(self) -> str:
        """For messages."""
        return f'annotator {self.annotator}, object {self.obj_id}'


def object_rows(sample: ScoredSample, *, bound_th: float) -> list[ObjectRow]:
    """Match the sentences of each annotator with the objects of the video.

    Expression ``4 * o + k`` is annotator k's sentence of the o-th object. Pixels that several
    masks claim go to the one whose score is highest in that frame. The published protocol decides
    by the probability of each pixel, which is no longer there once masks are bool; figures can
    differ by the pixels in dispute. The objects are those that have a sentence.

    Args:
        sample: P pairs of a video; negative pairs are passed over.
        bound_th: see :func:`r2vos_mm.evaluation.contour_accuracy`.

    Raises:
        ValueError: if the sample has no annotation, no object ids, or expression ids that are not
            numbers.
    """
    positives = np.flatnonzero(~sample.is_negative)
    _check(sample, positives)
    objects = {sample.obj_ids[i]: sample.annotated[i] for i in reversed(positives)}
    names = sorted(objects, key=lambda name: (len(name), name))
    truth = np.stack([objects[name] for name in names])
    rows = []
    for annotator in range(NUM_ANNOTATORS):
        chosen = [i for i in positives if int(sample.exp_ids[i]) % NUM_ANNOTATORS == annotator]
        if not chosen:
            continue
        gated, ungated = (
            _results(sample, masks[chosen], chosen, truth, bound_th)
            for masks in (sample.gated, sample.ungated)
        )
        rows += [
            ObjectRow(
                pair_id=f'{sample.video}/annotator{annotator}/object{name}',
                video=sample.video,
                obj_id=name,
                annotator=annotator,
                frame_ids=sample.frame_ids,
                gated=gated[index],
                ungated=ungated[index],
            )
            for index, name in enumerate(names)
        ]
    return rows


def _results(
    sample: ScoredSample,
    masks: np.ndarray,
    chosen: list[int],
    truth: np.ndarray,
    bound_th: float,
) -> list[ObjectResult]:
    """Results of all objects for one annotator's masks (N, T, H, W)."""
    scores = np.zeros(masks.shape[:2]) if sample.scores is None else sample.scores[chosen]
    if scores.ndim == 1:
        scores = np.repeat(scores[:, None], masks.shape[1], axis=1)
    matched = score_proposals(
        resolve_overlaps(masks, scores), truth, void=sample.void, bound_th=bound_th
    )
    return [
        ObjectResult(tuple(region.tolist()), tuple(contour.tolist()))
        for region, contour in zip(matched.region, matched.contour)
    ]


def _check(sample: ScoredSample, positives: np.ndarray) -> None:
    """Raise for a sample that the protocol cannot be applied to."""
    where = f'protocol davis_unsup: video {sample.video!r}'
    if sample.annotated is None or not len(positives):
        raise ValueError(f'{where} has no annotated positive pairs')
    if sample.obj_ids is None or any(not sample.obj_ids[i] for i in positives):
        raise ValueError(f'{where} has sentences without object id (gt_pairs.obj_ids)')
    if sample.exp_ids is None or any(not sample.exp_ids[i].isdecimal() for i in positives):
        raise ValueError(
            f'{where} has expression ids that are not numbers; expression 4 o + k is annotator '
            "k's sentence of object o"
        )
