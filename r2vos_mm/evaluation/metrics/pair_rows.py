"""From the masks of a pair to one row of numbers; masks are not kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..functional import ScoredMasks, score_masks, scored_masks
from .scored_sample import ScoredSample


@dataclass(frozen=True)
class MaskResult:
    """What the masks of one pair are worth.

    Attributes:
        areas: predicted foreground pixels per frame (T,).
        intersections: pixels of prediction and annotation per frame (T,), None for negative pairs
            and without annotation.
        region: J per frame (T,), None likewise.
        contour: F per frame (T,), None likewise.
    """

    areas: tuple[int, ...]
    intersections: tuple[int, ...] | None = None
    region: tuple[float, ...] | None = None
    contour: tuple[float, ...] | None = None

    @property
    def area(self) -> int:
        """Predicted foreground pixels, summed over frames."""
        return sum(self.areas)

    def with_frames(self, chosen: np.ndarray, part: MaskResult) -> MaskResult:
        """This result with the values of the frames ``chosen`` (T,) bool taken from ``part``."""
        values = {}
        for field in fields(self):
            whole = getattr(self, field.name)
            if whole is not None:
                array = np.asarray(whole)
                array[chosen] = getattr(part, field.name)
                values[field.name] = tuple(array.tolist())
        return MaskResult(**values)

    @classmethod
    def join(cls, parts: Sequence[MaskResult]) -> MaskResult:
        """The frames of all ``parts`` (at least one), which are parts of one pair."""
        values = {}
        for field in fields(cls):
            pieces = [getattr(part, field.name) for part in parts]
            known = pieces[0] is not None
            values[field.name] = tuple(v for piece in pieces for v in piece) if known else None
        return cls(**values)


@dataclass(frozen=True)
class PairRow:
    """Everything the metric keeps of one pair.

    Attributes:
        pair_id, video, kind, sentence, is_negative: which pair it is.
        frame_ids: names of the T frames.
        frame_pixels: pixels H * W of one frame.
        consensus: probability that the sentence belongs to the video, None from a model without
            verdict.
        score: mean over frames of the score of the chosen mask, None if the model gives none.
        gt_areas: annotated foreground pixels per frame (T,), None for negatives and without
            annotation.
        gated: result of the masks after the gate.
        ungated: result of the masks before it.
        foreground_areas: pixels of any annotated object per frame (T,), None if not known.
        sentence_type: 0, 1 or 2 (referring, reasoning, no target), None if not known.
        candidates: all masks that the model had to choose from, before the gate, per frame (T,);
            None for negatives, without annotation, and if the model gives the chosen ones only.
    """

    pair_id: str
    video: str
    kind: str
    sentence: str
    is_negative: bool
    frame_ids: tuple[str, ...]
    frame_pixels: int
    consensus: float | None
    score: float | None
    gt_areas: tuple[int, ...] | None
    gated: MaskResult
    ungated: MaskResult
    foreground_areas: tuple[int, ...] | None = None
    sentence_type: int | None = None
    candidates: tuple[ScoredMasks, ...] | None = None

    @property
    def num_frames(self) -> int:
        """T."""
        return len(self.frame_ids)

    @property
    def num_pixels(self) -> int:
        """Pixels of all T frames."""
        return self.num_frames * self.frame_pixels

    @property
    def gt_area(self) -> int | None:
        """Annotated foreground pixels over all frames, None for negatives and unannotated."""
        return None if self.gt_areas is None else sum(self.gt_areas)

    @property
    def stem(self) -> str:
        """What the ids of a positive and of its negatives share: all before the last slash."""
        return self.pair_id.rpartition('/')[0] or self.pair_id

    @property
    def identity(self) -> tuple[Any, ...]:
        """What must agree when the same pair was scored by two processes."""
        return (
            self.pair_id,
            self.video,
            self.kind,
            self.sentence,
            self.is_negative,
            self.frame_ids,
            self.frame_pixels,
            self.gt_areas,
            self.foreground_areas,
            self.sentence_type,
        )


@dataclass(frozen=True)
class _PairMasks:
    """Masks (T, H, W) bool of one pair; ``gt`` is None for negatives and without annotation."""

    gated: np.ndarray
    ungated: np.ndarray
    gt: np.ndarray | None


def rows_of(sample: ScoredSample, *, bound_th: float) -> list[PairRow]:
    """Score all P pairs of a data sample.

    Args:
        sample: P pairs of one video.
        bound_th: see :func:`r2vos_mm.evaluation.contour_accuracy`.

    Returns:
        P rows, in the order of the sample.
    """
    foreground = None if sample.foreground is None else count_pixels(sample.foreground)
    return [_row(sample, index, bound_th, foreground) for index in range(len(sample.pair_ids))]


def _row(
    sample: ScoredSample, index: int, bound_th: float, foreground: tuple[int, ...] | None
) -> PairRow:
    """Row of one pair of a sample."""
    scored = sample.annotated is not None and not sample.is_negative[index]
    masks = _PairMasks(
        sample.gated[index], sample.ungated[index], sample.annotated[index] if scored else None
    )
    gated, ungated = _score_pair(masks, bound_th)
    return PairRow(
        pair_id=sample.pair_ids[index],
        video=sample.video,
        kind=sample.kinds[index],
        sentence=sample.sentences[index],
        is_negative=bool(sample.is_negative[index]),
        frame_ids=sample.frame_ids,
        frame_pixels=masks.gated[0].size,
        consensus=None if sample.consensus is None else float(sample.consensus[index]),
        score=None if sample.scores is None else float(np.mean(sample.scores[index])),
        gt_areas=count_pixels(masks.gt) if scored else None,
        gated=gated,
        ungated=ungated,
        foreground_areas=foreground,
        sentence_type=None if sample.sentence_types is None else sample.sentence_types[index],
        candidates=_candidates(sample, index, masks.gt),
    )


def _candidates(
    sample: ScoredSample, index: int, gt: np.ndarray | None
) -> tuple[ScoredMasks, ...] | None:
    """All masks of one pair, per frame."""
    if sample.candidate_masks is None or gt is None:
        return None
    masks, scores = sample.candidate_masks[index], sample.candidate_scores[index]
    return tuple(
        scored_masks(frame, values.tolist(), truth)
        for frame, values, truth in zip(masks, scores, gt)
    )


def count_pixels(masks: np.ndarray) -> tuple[int, ...]:
    """Foreground pixels of each of the T frames of masks (T, H, W) bool."""
    return tuple(int(np.count_nonzero(mask)) for mask in masks)


def score_masks_of_pair(pred: np.ndarray, gt: np.ndarray | None, *, bound_th: float) -> MaskResult:
    """Result of predicted masks (T, H, W); ``gt`` is None for negatives and unannotated pairs."""
    if gt is None:
        return MaskResult(count_pixels(pred))
    scores = score_masks(pred, gt, bound_th=bound_th)
    return MaskResult(
        areas=tuple(scores.pred_area.tolist()),
        intersections=tuple(scores.intersection.tolist()),
        region=tuple(scores.region.tolist()),
        contour=tuple(scores.contour.tolist()),
    )


def _score_pair(masks: _PairMasks, bound_th: float) -> tuple[MaskResult, MaskResult]:
    """Results of gated and ungated masks; frames that the gate left alone are scored once."""
    ungated = score_masks_of_pair(masks.ungated, masks.gt, bound_th=bound_th)
    if masks.gated is masks.ungated or np.array_equal(masks.gated, masks.ungated):
        return ungated, ungated
    changed = (masks.gated != masks.ungated).any(axis=(1, 2))
    gt = None if masks.gt is None else masks.gt[changed]
    part = score_masks_of_pair(masks.gated[changed], gt, bound_th=bound_th)
    return ungated.with_frames(changed, part), ungated
