"""Define the protocols: which frames count, what a sample is, and which mean is taken."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..functional.aggregation import frame_statistics
from ..functional.mean_ap import MaskCandidates, mean_average_precision
from ..functional.overlap import mean_or_nan, overlap_scores
from .pair_scores import ObjectScores, PairScores

# A pair or object and the indices of the frames of it that count.
Sample = tuple[PairScores | ObjectScores, np.ndarray]


class Protocol(NamedTuple):
    """A way to compute mask quality.

    Attributes:
        summary: one line for reports.
        frames: choose the indices of the frames of a pair that count.
        measure: compute values by name from samples, in percent except ``area_ratio``.
        headline: names for the table.
        unit: a sample is a ``'pair'``, a ``'frame'`` of one, or an ``'object'``.
    """

    summary: str
    frames: Callable[[PairScores | ObjectScores], np.ndarray]
    measure: Callable[[Sequence[Sample]], dict[str, float]]
    headline: tuple[str, ...] = ('J', 'F', 'J&F')
    unit: str = 'pair'


def protocol_named(name: str) -> Protocol:
    """Return the protocol of a name; for an unknown one a ValueError lists all."""
    if name not in PROTOCOLS:
        raise ValueError(f'unknown protocol {name!r}; there are {", ".join(sorted(PROTOCOLS))}')
    return PROTOCOLS[name]


def percent(values: dict[str, float]) -> dict[str, float]:
    """Return values in percent."""
    return {name: 100 * value for name, value in values.items()}


def _all_frames(row: PairScores | ObjectScores) -> np.ndarray:
    return np.arange(len(row.frame_ids))


def _inner_frames(pair: PairScores) -> np.ndarray:
    """Choose all but the first frame, which semi-supervised methods are given, and the last."""
    return np.arange(1, len(pair.frame_ids) - 1)


def _annotated_frames(pair: PairScores) -> np.ndarray:
    return np.flatnonzero(pair.gt_areas)


def _from_first_appearance(pair: PairScores) -> np.ndarray:
    """Choose frames from the first one on where annotation or prediction has foreground.

    No frame counts of a pair whose object is never annotated: the mean is over annotated objects.
    """
    found = np.flatnonzero(np.add(pair.gt_areas, pair.areas))
    return np.arange(found[0] if any(pair.gt_areas) else len(pair.areas), len(pair.areas))


def _contour_values(samples: Sequence[Sample]) -> dict[str, float]:
    """Return mean, recall and decay of J and F over the frames of a sample, then over samples."""
    values: dict[str, float] = {}
    for letter, field in (('J', 'region'), ('F', 'contour')):
        found = [frame_statistics(np.take(getattr(row, field), frames)) for row, frames in samples]
        for index, suffix in enumerate(('', '_recall', '_decay')):
            values[letter + suffix] = 100 * mean_or_nan([entry[index] for entry in found])
    values['J&F'] = (values['J'] + values['F']) / 2
    return values


def _pair_values(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the values of J and F and the mean ratio of predicted to annotated area."""
    areas = [np.array([pair.areas, pair.gt_areas])[:, frames].sum(1) for pair, frames in samples]
    ratios = [area / gt_area for area, gt_area in areas if gt_area]
    return {**_contour_values(samples), 'area_ratio': mean_or_nan(ratios)}


def _object_values(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the values of J and F over objects, then over expression sets."""
    numbers = sorted({row.expression_set for row, _ in samples})
    sets = [_contour_values([s for s in samples if s[0].expression_set == k]) for k in numbers]
    names = _contour_values([])
    values = {name: mean_or_nan([entry[name] for entry in sets]) for name in names}
    return values | {f'J&F/annotator{k}': entry['J&F'] for k, entry in zip(numbers, sets)}


def _overlap_values(samples: Sequence[Sample]) -> dict[str, float]:
    """Return P@K, overall and mean IoU of single frames."""
    samples = samples if all(pair.is_read for pair, _ in samples) else ()
    fields = ('intersections', 'areas', 'gt_areas')
    counts = [[getattr(pair, field)[i] for field in fields] for pair, (i,) in samples]
    inter, areas, gt_areas = np.array(counts, dtype=np.int64).reshape(-1, 3).T
    return percent(overlap_scores(inter, areas + gt_areas - inter))


def _overlap_values_with_map(samples: Sequence[Sample]) -> dict[str, float]:
    """Return overlap values and mAP, over all candidate masks or the predicted ones (``mAP_top1``).

    Candidates are those before the gate; a pair that the gate emptied has none.
    """
    samples = samples if all(pair.is_read for pair, _ in samples) else ()
    has_all = bool(samples) and all(pair.candidates is not None for pair, _ in samples)
    found = []
    for pair, (i,) in samples:
        entry = ((pair.region[i],), (pair.score or 0.0,), (pair.areas[i],))
        if has_all:
            is_closed = not pair.area and pair.before_gate is not None and pair.before_gate.area
            entry = ((), (), ()) if is_closed else pair.candidates[i][:3]
        found.append(MaskCandidates(*entry, pair.gt_areas[i]))
    values = mean_average_precision(found)
    return _overlap_values(samples) | percent(values if has_all else {'mAP_top1': values['mAP']})


_OVERLAP = ('P@0.5', 'P@0.7', 'P@0.9', 'oIoU', 'mIoU')
# A sample of the last two is a frame of a pair; void pixels are ignored by davis_unsup only.
PROTOCOLS = {
    'per_expression': Protocol('all frames, mean over pairs', _all_frames, _pair_values),
    'from_first_appearance': Protocol(
        'frames from the first annotated or predicted foreground on, mean over pairs',
        _from_first_appearance,
        _pair_values,
    ),
    'davis_semi': Protocol(
        'all frames but the first and the last, mean over pairs', _inner_frames, _pair_values
    ),
    'davis_unsup': Protocol(
        'all frames, Hungarian matching per annotator, mean over objects, then annotators',
        _all_frames,
        _object_values,
        unit='object',
    ),
    'a2d': Protocol(
        'annotated frames, mean over pairs and frames',
        _annotated_frames,
        _overlap_values_with_map,
        (*_OVERLAP, 'mAP', 'mAP_top1'),
        unit='frame',
    ),
    'refcoco': Protocol(
        'annotated frames, mean over pairs', _annotated_frames, _overlap_values, _OVERLAP, 'frame'
    ),
}
