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
    """Scores of one object with the expressions of one set.

    Attributes:
        video, obj_id: the object.
        expression_set: 0 to 3.
        frame_ids: names of the T frames.
        region: J per frame (T,).
        contour: F per frame (T,).
        before_gate: scores of the same object before the gate; None if no mask was gated.
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
    return [
        ObjectScores(video, name, expression_set, frame_ids, tuple(region), tuple(contour), before)
        for name, region, contour, before in zip(
            names, *matched.tolist(), before_gate or [None] * len(names)
        )
    ]


def object_scores(sample: EvalSample, *, bound_th: float) -> list[ObjectScores]:
    """Match the masks of each expression set with the objects of the video.

    Expression ``4 * o + k`` belongs to object o and set k. Pixels that several masks claim go to
    the one whose score is highest in that frame. The published protocol decides by the probability
    of each pixel, which bool masks no longer have; results can differ by the pixels in dispute. The
    objects are those that have an expression.

    Args:
        sample: P pairs of a video; negative pairs are ignored.
        bound_th: see :func:`r2vos_mm.evaluation.contour_accuracy`.

    Raises:
        ValueError: The sample has no annotation, no object ids, or expression ids that are not
            numbers.
    """
    positives = np.flatnonzero(~sample.is_negative)
    _check(sample, positives)
    objects = {sample.obj_ids[i]: sample.annotated[i] for i in reversed(positives)}
    names = sorted(objects, key=lambda name: (len(name), name))
    truth = np.stack([objects[name] for name in names])
    found: list[ObjectScores] = []
    for number in range(NUM_EXPRESSION_SETS):
        chosen = [i for i in positives if expression_set_of(sample.exp_ids[i]) == number]
        scores = None
        gates = [sample.ungated, sample.gated][: 1 + (sample.gated is not sample.ungated)]
        for masks in gates if chosen else ():
            owned = one_owner(sample, masks, chosen)
            proposals = score_proposals(owned, truth, void=sample.void, bound_th=bound_th)
            matched = assign_scores(proposals)
            scores = objects_of(sample.video, number, names, sample.frame_ids, matched, scores)
        found += scores or []
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
        raise ValueError(
            f'{where} has expression ids that are not numbers; expression 4 o + k is the k-th one '
            'of object o'
        )
