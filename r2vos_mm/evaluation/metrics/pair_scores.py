"""Score the masks of a pair and keep the numbers; masks are not kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..functional.mean_ap import MaskCandidates, mask_candidates
from ..functional.region_contour import score_masks
from .eval_sample import EvalSample


@dataclass(frozen=True)
class PairScores:
    """Scores of one pair: an expression shown with a video, and the masks predicted for it.

    Attributes:
        frame_ids: names of the T frames.
        frame_pixels: pixels H * W of one frame.
        areas: predicted foreground pixels per frame (T,).
        gt_areas: annotated foreground pixels per frame (T,); None for negative pairs and without
            annotation, as are the next three.
        intersections: pixels of both prediction and annotation per frame (T,).
        region, contour: J and F per frame (T,).
        consensus: probability that the expression belongs to the video; None without verdict.
        score: mean over frames of the score of the predicted mask, None if the model gives none.
        foreground_areas: pixels of any annotated object per frame (T,), None if unknown.
        sentence_type: 0, 1 or 2 (referring, reasoning, no target), None if unknown.
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
    candidates: tuple[MaskCandidates, ...] | None = None
    before_gate: PairScores | None = None

    @property
    def area(self) -> int:
        """Predicted foreground pixels, summed over frames."""
        return sum(self.areas)

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


def pair_scores(sample: EvalSample, *, bound_th: float) -> list[PairScores]:
    """Return the scores after the gate of all P pairs of a data sample, in its order."""
    foreground = None if sample.foreground is None else _count_pixels(sample.foreground)
    return [_score_pair(sample, i, foreground, bound_th) for i in range(len(sample.pair_ids))]


def _score_pair(
    sample: EvalSample, index: int, foreground: tuple[int, ...] | None, bound_th: float
) -> PairScores:
    """Score one pair; frames that the gate left alone are scored once."""
    gated, ungated, types = sample.gated[index], sample.ungated[index], sample.sentence_types
    is_scored = sample.annotated is not None and not sample.is_negative[index]
    gt = sample.annotated[index] if is_scored else None
    candidates = None
    if sample.candidate_masks is not None and is_scored:
        masks, confidences = sample.candidate_masks[index], sample.candidate_scores[index]
        candidates = tuple(map(mask_candidates, masks, confidences.tolist(), gt))
    scores = PairScores(
        pair_id=sample.pair_ids[index],
        video=sample.video,
        kind=sample.kinds[index],
        expression=sample.expressions[index],
        is_negative=bool(sample.is_negative[index]),
        frame_ids=sample.frame_ids,
        frame_pixels=gated[0].size,
        consensus=None if sample.consensus is None else float(sample.consensus[index]),
        score=None if sample.scores is None else float(np.mean(sample.scores[index])),
        foreground_areas=foreground,
        sentence_type=None if types is None else types[index],
        candidates=candidates,
        **frame_scores(ungated, gt, bound_th=bound_th),
    )
    changed = (gated != ungated).any(axis=(1, 2))
    if not changed.any():
        return scores
    part = frame_scores(gated[changed], None if gt is None else gt[changed], bound_th=bound_th)
    for name, values in part.items():
        array = np.array(getattr(scores, name))
        array[changed] = values
        part[name] = tuple(array.tolist())
    return replace(scores, **part, before_gate=scores)
