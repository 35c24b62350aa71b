"""Score objects by the unsupervised protocol of DAVIS 2017.

Ref-DAVIS17 has four expressions for each object, one per expression set: two annotators wrote two
each. The masks of one set for all objects of a video are drawn into one map, in which each pixel
has one owner, and matched with the objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from r2vos_mm.utils.ref_davis17 import NUM_EXPRESSION_SETS, expression_set_of

from ..functional.matching import assign_scores, resolve_overlaps, score_proposals
from .eval_sample import EvalSample


@dataclass(frozen=True)
class ObjectScores:
    """J and F per frame (T,) of one object with the expressions of one set (0 to 3).

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


def objects_of(
    video: str,
    expression_set: int,
    names: Sequence[str],
    frame_ids: tuple[str, ...],
    matched: np.ndarray,
    before_gate: Sequence[ObjectScores | None] | None = None,
) -> list[ObjectScores]:
    """Return the scores of O objects, whose ids are ``names``, from their J and F (2, O, T)."""
    identity, before = (expression_set, frame_ids), before_gate or [None] * len(names)
    return [
        ObjectScores(video, name, *identity, *map(tuple, matched[:, i].tolist()), before[i])
        for i, name in enumerate(names)
    ]


def object_scores(sample: EvalSample, *, bound_th: float) -> list[ObjectScores]:
    """Match the masks of each expression set with the objects of the video.

    Expression ``4 * o + k`` belongs to object o and set k. Pixels that several masks claim go to
    the one whose score is highest in that frame. The published protocol decides by the probability
    of each pixel, which bool masks no longer have; results can differ by the pixels in dispute. The
    objects are those that have an expression; negative pairs are ignored.

    Raises:
        ValueError: The sample has no annotation, no object ids, or expression ids that are not
            numbers.
    """
    positives = np.flatnonzero(~sample.is_negative)
    _check(sample, positives)
    objects = {sample.obj_ids[i]: sample.annotated[i] for i in reversed(positives)}
    names = sorted(objects, key=lambda name: (len(name), name))
    truth = np.stack([objects[name] for name in names])
    gates = [sample.ungated]
    if sample.gated is not sample.ungated:
        gates.append(sample.gated)
    found = []
    for number in range(NUM_EXPRESSION_SETS):
        chosen = [i for i in positives if expression_set_of(sample.exp_ids[i]) == number]
        scores: list[ObjectScores] = []
        for masks in gates if chosen else ():
            proposals = score_proposals(
                one_owner(sample, masks, chosen), truth, void=sample.void, bound_th=bound_th
            )
            matched = assign_scores(proposals)
            scores = objects_of(sample.video, number, names, sample.frame_ids, matched, scores)
        found += scores
    return found


def one_owner(sample: EvalSample, masks: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """Return the chosen masks (N, T, H, W) without overlap; the higher score owns a pixel."""
    scores = np.zeros((len(chosen), len(sample.frame_ids)))
    if sample.scores is not None:
        scores += np.reshape(sample.scores[chosen], (len(chosen), -1))
    return resolve_overlaps(masks[chosen], scores)


def _check(sample: EvalSample, positives: np.ndarray) -> None:
    """Raise for a sample to which the protocol cannot be applied."""
    where = f'protocol davis_unsup: video {sample.video!r}'
    if sample.annotated is None or not len(positives):
        raise ValueError(f'{where} has no annotated positive pairs')
    if sample.obj_ids is None or any(not sample.obj_ids[i] for i in positives):
        raise ValueError(f'{where} has expressions without object id (gt_pairs.obj_ids)')
    if sample.exp_ids is None or any(not sample.exp_ids[i].isdecimal() for i in positives):
        raise ValueError(f'{where} has expression ids that are not numbers 4 * object + set')
