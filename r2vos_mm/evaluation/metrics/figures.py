"""The figures of a set of scored pairs."""

from __future__ import annotations

import logging
import warnings
from typing import Sequence

import numpy as np
from mmengine.logging import print_log

from r2vos_mm.evaluation.functional import auroc, frame_statistics, relative_robustness, robustness
from r2vos_mm.evaluation.metrics.pair_rows import MaskResult, PairRow

GATES = {'gated': '', 'ungated': 'ungated/'}


def figures_of(rows: Sequence[PairRow]) -> dict[str, float]:
    """All figures of the given pairs, keys as in :class:`JFRMetric`."""
    positives = [row for row in rows if not row.is_negative]
    negatives = [row for row in rows if row.is_negative]
    _tell_what_is_absent(positives, negatives)
    figures: dict[str, float] = {}
    for gate, prefix in GATES.items():
        quality = _quality(positives, gate)
        resistance = _resistance(positives, negatives, gate)
        overall = (quality['J'] + quality['F'] + resistance['R']) / 3
        for name, value in {**quality, **resistance, 'J&F&R': overall}.items():
            figures[prefix + name] = value
    by_kind = {'': negatives, **_by_kind(negatives)}
    for kind, members in by_kind.items():
        figures[f'AUROC/{kind}' if kind else 'AUROC'] = auroc(
            _consensus(positives), _consensus(members)
        )
    return figures


def _quality(positives: Sequence[PairRow], gate: str) -> dict[str, float]:
    """J, F and what goes with them, in percent but for ``area_ratio``."""
    rows = [row for row in positives if row.gt_area is not None]
    results: list[MaskResult] = [getattr(row, gate) for row in rows]
    figures = {}
    for letter, measure in (('J', 'region'), ('F', 'contour')):
        statistics = [frame_statistics(getattr(result, measure)) for result in results]
        figures[letter] = 100 * _mean([entry.mean for entry in statistics])
        figures[f'{letter}_recall'] = 100 * _mean([entry.recall for entry in statistics])
        figures[f'{letter}_decay'] = 100 * _mean([entry.decay for entry in statistics])
    figures['J&F'] = (figures['J'] + figures['F']) / 2
    figures['area_ratio'] = _mean(
        [result.area / row.gt_area for row, result in zip(rows, results) if row.gt_area]
    )
    return figures


def _resistance(
    positives: Sequence[PairRow], negatives: Sequence[PairRow], gate: str
) -> dict[str, float]:
    """All forms of R in percent, over all negatives and per kind."""
    owners = _positive_of_negative(positives, negatives)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        forms = robustness(
            _areas(positives, gate),
            _areas(negatives, gate),
            positive_fractions=_fractions(positives, gate),
            negative_fractions=_fractions(negatives, gate),
            positive_of_negative=owners,
        )
        per_kind = {}
        for kind, members in _by_kind(negatives).items():
            per_kind[f'R/{kind}'] = 100 * relative_robustness(
                _areas(positives, gate),
                _areas(members, gate),
                positive_of_negative=None
                if owners is None
                else _positive_of_negative(positives, members),
            )
    for message in sorted({str(entry.message) for entry in caught}):
        warn(f'{gate} masks: {message}')
    return {
        'R': 100 * forms.sum,
        'R_frac': 100 * forms.frac,
        'R_pair': 100 * forms.pair,
        'R_clipped': 100 * float(np.maximum(forms.sum, 0)),
        **per_kind,
    }


def _positive_of_negative(
    positives: Sequence[PairRow], negatives: Sequence[PairRow]
) -> list[int] | None:
    """Index of the positive that each negative was made from, None when some negative has none."""
    index_of = {_stem(row.pair_id): index for index, row in enumerate(positives)}
    stems = [_stem(row.pair_id) for row in negatives]
    if len(index_of) < len(positives) or any(stem not in index_of for stem in stems):
        return None
    return [index_of[stem] for stem in stems]


def _stem(pair_id: str) -> str:
    """What the ids of a positive and of its negatives share: all before the last slash."""
    return pair_id.rpartition('/')[0] or pair_id


def _tell_what_is_absent(positives: Sequence[PairRow], negatives: Sequence[PairRow]) -> None:
    """Log why figures will be NaN, or less than they seem."""
    if not positives:
        warn('no positive pairs: J, F, R and AUROC are NaN')
    elif not negatives:
        warn(
            'no negative pairs: R, J&F&R and AUROC are NaN; a pairs file with negatives, given to '
            'the dataset, adds them'
        )
    elif _positive_of_negative(positives, negatives) is None:
        warn(
            'some negative pairs have no positive of the same "<video>/<sentence>/" id: R weights '
            'all negatives alike and R_pair is NaN'
        )
    if not _consensus([*positives, *negatives]):
        warn(
            'the model gives no consensus: AUROC is NaN, and all other figures are the same with '
            'and without gate'
        )
    without = sum(row.gt_area is None for row in positives)
    if without:
        warn(
            f'{without} of {len(positives)} positive pairs have no annotated masks: they count '
            'for R and AUROC, not for J and F'
        )


def _by_kind(negatives: Sequence[PairRow]) -> dict[str, list[PairRow]]:
    """Negatives per kind, kinds in alphabetical order."""
    kinds = sorted({row.kind for row in negatives})
    return {kind: [row for row in negatives if row.kind == kind] for kind in kinds}


def _areas(rows: Sequence[PairRow], gate: str) -> list[int]:
    """Predicted foreground pixels of each pair."""
    return [getattr(row, gate).area for row in rows]


def _fractions(rows: Sequence[PairRow], gate: str) -> list[float]:
    """Predicted share of foreground of each pair, which is the mean over its frames of one size."""
    return [getattr(row, gate).area / row.num_pixels for row in rows]


def _consensus(rows: Sequence[PairRow]) -> list[float]:
    """Consensus of the pairs that have one."""
    return [row.consensus for row in rows if row.consensus is not None]


def _mean(values: Sequence[float]) -> float:
    """Mean, NaN of nothing."""
    return float(np.mean(values)) if len(values) else float('nan')


def warn(message: str) -> None:
    """Log a warning in the name of the metric."""
    print_log(f'JFRMetric: {message}', logger='current', level=logging.WARNING)
