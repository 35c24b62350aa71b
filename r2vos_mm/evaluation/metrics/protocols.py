"""Named protocols: which frames count, what a sample is, which mean is taken.

=========================== =========================== ===================== ====================
name                        frames                      sample                mean over
=========================== =========================== ===================== ====================
``per_expression``          all                         pair                  pairs
``from_first_appearance``   from the first frame where  pair whose object is  pairs
                            annotation or prediction    ever visible
                            has foreground
``davis_semi``              without first and last      pair (object)         pairs
``davis_unsup``             all, void pixels left out   object after matching objects, then the
                                                                              annotators
``a2d``, ``refcoco``        those where the annotation  pair and frame        samples
                            has foreground
=========================== =========================== ===================== ====================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..functional import ScoredMasks, frame_statistics, mean_average_precision, overlap_scores
from .object_rows import ObjectRow
from .pair_rows import MaskResult, PairRow

FrameRule = Callable[[PairRow, MaskResult], np.ndarray]


@dataclass(frozen=True)
class Quality:
    """Figures of one protocol and what they were measured on.

    Attributes:
        values: figure by name, percent but for ``area_ratio``.
        num_samples: samples in the mean.
        num_frames: frames scored, over all samples.
        left_out: annotated pairs without a frame to score.
    """

    values: dict[str, float]
    num_samples: int
    num_frames: int
    left_out: int


@dataclass(frozen=True)
class Protocol:
    """A named way to score.

    Attributes:
        name: as in configs and reports.
        summary: one line for reports.
        measure: annotated positive rows, object rows and a gate (``'gated'`` or ``'ungated'``) to
            figures.
        headline: figures for the table.
    """

    name: str
    summary: str
    measure: Callable[[Sequence[PairRow], Sequence[ObjectRow], str], Quality]
    headline: tuple[str, ...]


def protocol_named(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        ValueError: there is none; the message lists all.
    """
    if name not in PROTOCOLS:
        raise ValueError(f'unknown protocol {name!r}; there are {", ".join(sorted(PROTOCOLS))}')
    return PROTOCOLS[name]


def mean(values: Sequence[float]) -> float:
    """Mean, NaN of nothing."""
    return float(np.mean(values)) if len(values) else float('nan')


def _all_frames(row: PairRow, result: MaskResult) -> np.ndarray:
    """Every frame, (T,) bool."""
    return np.ones(row.num_frames, dtype=bool)


def _inner_frames(row: PairRow, result: MaskResult) -> np.ndarray:
    """All but the first frame, which is given to semi-supervised methods, and the last one."""
    chosen = np.ones(row.num_frames, dtype=bool)
    chosen[[0, -1]] = False
    return chosen


def _from_first_appearance(row: PairRow, result: MaskResult) -> np.ndarray:
    """Frames from the first one on where annotation or prediction has foreground.

    None of a pair whose object is never annotated: the mean is over annotated objects.
    """
    annotated = np.asarray(row.gt_areas) > 0
    found = annotated | (np.asarray(result.areas) > 0)
    return np.logical_or.accumulate(found) & annotated.any()


def _annotated_frames(row: PairRow, result: MaskResult) -> np.ndarray:
    """Frames where the annotation has foreground, (T,) bool."""
    return np.asarray(row.gt_areas) > 0


def _contour_quality(rule: FrameRule) -> Callable[..., Quality]:
    """J and F over the frames that ``rule`` chooses, then over pairs."""

    def measure(rows: Sequence[PairRow], objects: Sequence[ObjectRow], gate: str) -> Quality:
        chosen = [(row, getattr(row, gate), rule(row, getattr(row, gate))) for row in rows]
        scored = [entry for entry in chosen if entry[2].any()]
        values = {}
        for letter, field in (('J', 'region'), ('F', 'contour')):
            values.update(
                _statistics(
                    letter, [np.asarray(getattr(res, field))[frames] for _, res, frames in scored]
                )
            )
        values['J&F'] = (values['J'] + values['F']) / 2
        values['area_ratio'] = mean(
            [
                np.sum(res.areas, where=frames) / np.sum(row.gt_areas, where=frames)
                for row, res, frames in scored
                if np.sum(row.gt_areas, where=frames)
            ]
        )
        return Quality(
            values,
            num_samples=len(scored),
            num_frames=sum(int(frames.sum()) for *_, frames in scored),
            left_out=len(rows) - len(scored),
        )

    return measure


def _statistics(letter: str, samples: Sequence[Sequence[float]]) -> dict[str, float]:
    """Mean, recall and decay in percent, over samples with values (T,) each."""
    statistics = [frame_statistics(values) for values in samples]
    return {
        letter: 100 * mean([entry.mean for entry in statistics]),
        f'{letter}_recall': 100 * mean([entry.recall for entry in statistics]),
        f'{letter}_decay': 100 * mean([entry.decay for entry in statistics]),
    }


def _matched_quality(rows: Sequence[PairRow], objects: Sequence[ObjectRow], gate: str) -> Quality:
    """J and F over objects, then over annotators."""
    annotators = sorted({row.annotator for row in objects})
    per_annotator = []
    for annotator in annotators:
        results = [getattr(row, gate) for row in objects if row.annotator == annotator]
        values = _statistics('J', [result.region for result in results])
        values.update(_statistics('F', [result.contour for result in results]))
        values['J&F'] = (values['J'] + values['F']) / 2
        per_annotator.append(values)
    names = [letter + end for letter in 'JF' for end in ('', '_recall', '_decay')] + ['J&F']
    figures = {name: mean([values[name] for values in per_annotator]) for name in names}
    for annotator, values in zip(annotators, per_annotator):
        figures[f'J&F/annotator{annotator}'] = values['J&F']
    return Quality(
        figures,
        num_samples=len(objects),
        num_frames=sum(len(row.frame_ids) for row in objects),
        left_out=0,
    )


def _overlap_quality(with_average_precision: bool) -> Callable[..., Quality]:
    """P@K, overall and mean IoU of annotated frames, and mAP if wanted.

    mAP is over all masks of the model if it gives them, else over the chosen ones (``mAP_top1``).
    """

    def measure(rows: Sequence[PairRow], objects: Sequence[ObjectRow], gate: str) -> Quality:
        samples = [sample for row in rows for sample in _frame_overlaps(row, getattr(row, gate))]
        figures = overlap_scores(
            [sample.intersection for sample in samples], [sample.union for sample in samples]
        )
        values = {f'P@{k:g}': 100 * share for k, share in figures.precision_at.items()}
        values['oIoU'], values['mIoU'] = 100 * figures.overall_iou, 100 * figures.mean_iou
        if with_average_precision and rows and all(row.candidates is not None for row in rows):
            values.update(average_precision_figures(_frame_candidates(rows, gate)))
        elif with_average_precision:
            masks = [sample.as_scored_masks() for sample in samples]
            values['mAP_top1'] = 100 * mean_average_precision(masks).mean
        return Quality(
            values,
            num_samples=len(samples),
            num_frames=len(samples),
            left_out=sum(not any(row.gt_areas) for row in rows),
        )

    return measure


def average_precision_figures(samples: Sequence[ScoredMasks]) -> dict[str, float]:
    """mAP in percent over all masks of each sample; NaN for sizes that no annotation has."""
    figures = mean_average_precision(samples)
    values = {
        'mAP': figures.mean,
        'mAP@0.5': figures.at_50,
        'mAP@0.75': figures.at_75,
        'mAP_small': figures.small,
        'mAP_medium': figures.medium,
        'mAP_large': figures.large,
    }
    # pycocotools gives -1 where there is nothing to average.
    return {name: 100 * value if value >= 0 else float('nan') for name, value in values.items()}


def _frame_candidates(rows: Sequence[PairRow], gate: str) -> list[ScoredMasks]:
    """All masks of the annotated frames; a pair that the gate emptied has none."""
    samples = []
    for row in rows:
        is_closed = not getattr(row, gate).area and row.ungated.area > 0
        for sample in row.candidates:
            if sample.gt_area:
                samples.append(ScoredMasks((), (), (), sample.gt_area) if is_closed else sample)
    return samples


@dataclass(frozen=True)
class _FrameOverlap:
    """One annotated frame of a pair, in pixels; ``score`` is that of the chosen mask."""

    intersection: int
    pred_area: int
    gt_area: int
    score: float

    @property
    def union(self) -> int:
        """Pixels of prediction or annotation."""
        return self.pred_area + self.gt_area - self.intersection

    def as_scored_masks(self) -> ScoredMasks:
        """The chosen mask as the only one of its sample."""
        iou = self.intersection / self.union
        return ScoredMasks((iou,), (self.score,), (self.pred_area,), self.gt_area)


def _frame_overlaps(row: PairRow, result: MaskResult) -> list[_FrameOverlap]:
    """The frames of a pair where the annotation has foreground."""
    score = 0.0 if row.score is None else row.score
    return [
        _FrameOverlap(intersection, area, gt_area, score)
        for intersection, area, gt_area in zip(result.intersections, result.areas, row.gt_areas)
        if gt_area
    ]


_CONTOUR_HEADLINE = ('J', 'F', 'J&F')
_OVERLAP_HEADLINE = ('P@0.5', 'P@0.7', 'P@0.9', 'oIoU', 'mIoU')
PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            'per_expression',
            'all frames, mean over pairs',
            _contour_quality(_all_frames),
            _CONTOUR_HEADLINE,
        ),
        Protocol(
            'from_first_appearance',
            'frames from the first annotated or predicted foreground on, mean over pairs',
            _contour_quality(_from_first_appearance),
            _CONTOUR_HEADLINE,
        ),
        Protocol(
            'davis_semi',
            'all frames but the first and the last, mean over pairs',
            _contour_quality(_inner_frames),
            _CONTOUR_HEADLINE,
        ),
        Protocol(
            'davis_unsup',
            'all frames, Hungarian matching per annotator, mean over objects, then annotators',
            _matched_quality,
            _CONTOUR_HEADLINE,
        ),
        Protocol(
            'a2d',
            'annotated frames, mean over pairs and frames',
            _overlap_quality(with_average_precision=True),
            (*_OVERLAP_HEADLINE, 'mAP', 'mAP_top1'),
        ),
        Protocol(
            'refcoco',
            'annotated frames, mean over pairs',
            _overlap_quality(with_average_precision=False),
            _OVERLAP_HEADLINE,
        ),
    )
}
