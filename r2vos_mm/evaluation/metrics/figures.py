"""The figures of a set of scored pairs, each with the protocol it was measured by."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mmengine.logging import print_log

from ..functional import (
    REASONING,
    REFERRING,
    auroc,
    average_precision,
    fpr_at_tpr,
    gate_table,
    generalized_scores,
    null_score,
    presence_scores,
    relative_robustness,
    robustness,
    visa_mean,
    visa_robustness_of_counts,
)
from .object_rows import ObjectRow
from .pair_rows import PairRow
from .protocols import Quality, mean, protocol_named

GATES = {'gated': '', 'ungated': 'ungated/'}
GATE_NAMES = {'gated': 'on', 'ungated': 'off'}
ALL_FRAMES = 'all_frames'
PER_PAIR = 'per_pair'
GROUPS = ('quality', 'robustness', 'verdict', 'gate', 'no_target', 'presence', 'visa')
DEFAULT_GROUPS = ('quality', 'robustness', 'verdict')


@dataclass(frozen=True)
class Figure:
    """One reported number.

    Attributes:
        key: its name in the logs, unique.
        value: the number; percent unless its group is ``verdict`` or ``gate``, or its name is
            ``area_ratio`` or ``S``.
        protocol: how it was measured: a name of :mod:`.protocols`, ``all_frames`` (per pair over
            all its frames, whatever the protocol of J and F) or ``per_pair`` (one number a pair).
        gate: ``'on'``, ``'off'``, or ``'-'`` where the gate plays no part.
        group: the group of the figure.
    """

    key: str
    value: float
    protocol: str
    gate: str
    group: str


@dataclass(frozen=True)
class ScoredSet:
    """The rows of a data set and how they are to be measured.

    Attributes:
        pairs: rows sorted by pair id.
        objects: rows of the protocol ``davis_unsup``, sorted likewise.
        protocols: names; the figures of the first have plain keys.
        groups: groups of figures, of :data:`GROUPS`.
        gate_threshold: the gate keeps pairs with at least this consensus.
    """

    pairs: Sequence[PairRow]
    objects: Sequence[ObjectRow] = ()
    protocols: Sequence[str] = ('per_expression',)
    groups: Sequence[str] = DEFAULT_GROUPS
    gate_threshold: float = 0.5

    @property
    def positives(self) -> list[PairRow]:
        """Rows of positive pairs."""
        return [row for row in self.pairs if not row.is_negative]

    @property
    def negatives(self) -> list[PairRow]:
        """Rows of negative pairs."""
        return [row for row in self.pairs if row.is_negative]

    @property
    def annotated(self) -> list[PairRow]:
        """Rows of positive pairs with annotation."""
        return [row for row in self.positives if row.gt_areas is not None]

    @property
    def num_videos(self) -> int:
        """Videos with a pair or an object."""
        return len({row.video for row in (*self.pairs, *self.objects)})

    @property
    def has_verdict(self) -> bool:
        """Whether the model says of any pair that the sentence belongs to the video or not."""
        return bool(_consensus(self.pairs))

    def quality(self, protocol: str, gate: str) -> Quality:
        """Figures of J and F, or of overlap, by one protocol."""
        return protocol_named(protocol).measure(self.annotated, self.objects, gate)


def figures_of(scored: ScoredSet) -> list[Figure]:
    """All figures of the groups that are asked for; keys as in :class:`JFRMetric`."""
    _tell_what_is_absent(scored)
    figures: list[Figure] = []
    for gate in GATES:
        figures += _figures_of_gate(scored, gate)
    if 'verdict' in scored.groups:
        by_kind = {'': scored.negatives, **_by_kind(scored.negatives)}
        for kind, members in by_kind.items():
            value = auroc(_consensus(scored.positives), _consensus(members))
            key = f'AUROC/{kind}' if kind else 'AUROC'
            figures.append(Figure(key, value, PER_PAIR, '-', 'verdict'))
    if 'gate' in scored.groups:
        figures += _gate_figures(scored, figures)
    return figures


def as_dictionary(figures: Sequence[Figure]) -> dict[str, float]:
    """Value by key."""
    return {figure.key: figure.value for figure in figures}


def _figures_of_gate(scored: ScoredSet, gate: str) -> list[Figure]:
    """The figures of the masks after or before the gate."""
    values: list[tuple[str, float, str, str]] = []
    groups, resistance = scored.groups, {}
    if 'robustness' in groups:
        resistance = _resistance(scored.positives, scored.negatives, gate)
        values += [(name, value, ALL_FRAMES, 'robustness') for name, value in resistance.items()]
    silence = _no_target(scored, gate) if 'no_target' in groups else {}
    values += [(name, value, ALL_FRAMES, 'no_target') for name, value in silence.items()]
    for group, measure in (('presence', _presence), ('visa', _visa)):
        if group in groups:
            found = measure(scored.annotated, gate)
            values += [(name, value, ALL_FRAMES, group) for name, value in found.items()]
    for index, protocol in enumerate(scored.protocols if 'quality' in groups else ()):
        quality = dict(scored.quality(protocol, gate).values)
        if 'J&F' in quality and resistance:
            quality['J&F&R'] = (quality['J'] + quality['F'] + resistance['R']) / 3
        if 'J&F' in quality and silence:
            parts = [quality['J&F'], silence['N_acc'], silence['T_acc']]
            quality['mevis'] = sum(parts) / 3
        prefix = f'{protocol}/' if index else ''
        values += [(prefix + name, value, protocol, 'quality') for name, value in quality.items()]
    return [
        Figure(GATES[gate] + name, value, protocol, GATE_NAMES[gate], group)
        for name, value, protocol, group in values
    ]


def _resistance(
    positives: Sequence[PairRow], negatives: Sequence[PairRow], gate: str
) -> dict[str, float]:
    """All forms of R in percent, over all negatives and per kind."""
    owners = positive_of_negative(positives, negatives)
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
                else positive_of_negative(positives, members),
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


def _no_target(scored: ScoredSet, gate: str) -> dict[str, float]:
    """Figures of GRES and S over whole pairs: negatives and what is never annotated lack a target.

    Positive pairs without annotation are passed over.
    """
    rows = [*scored.annotated, *scored.negatives]
    results = [getattr(row, gate) for row in rows]
    inter = [sum(result.intersections or ()) for result in results]
    areas = [result.area for result in results]
    truth = [row.gt_area or 0 for row in rows]
    union = [area + gt - both for area, gt, both in zip(areas, truth, inter)]
    figures = generalized_scores(inter, union, areas, [gt > 0 for gt in truth])
    silence = [
        null_score(result.areas, [row.frame_pixels] * row.num_frames)
        for row, result, gt in zip(rows, results, truth)
        if gt == 0
    ]
    return {
        'N_acc': 100 * figures.no_target_accuracy,
        'T_acc': 100 * figures.target_accuracy,
        'gIoU': 100 * figures.generalized_iou,
        'cIoU': 100 * figures.cumulative_iou,
        **{f'Pr@{k:g}': 100 * share for k, share in figures.precision_at.items()},
        'S': mean(silence),
    }


def _presence(annotated: Sequence[PairRow], gate: str) -> dict[str, float]:
    """Presence over time in percent, mean over annotated positive pairs."""
    scores = [
        presence_scores(
            np.asarray(getattr(row, gate).areas) > 0,
            np.asarray(row.gt_areas) > 0,
            np.asarray(getattr(row, gate).region),
        )
        for row in annotated
    ]
    alarms = [entry.false_alarm_rate for entry in scores]
    return {
        'tIoU': 100 * mean([entry.temporal_iou for entry in scores]),
        'vIoU': 100 * mean([entry.video_iou for entry in scores]),
        'presence_accuracy': 100 * mean([entry.accuracy for entry in scores]),
        'false_alarm_rate': 100 * mean([value for value in alarms if not np.isnan(value)]),
    }


def _visa(annotated: Sequence[PairRow], gate: str) -> dict[str, float]:
    """J, F and R of VISA in percent, over annotated pairs whose other objects are known.

    A sentence without a type counts as referring.
    """
    rows = [row for row in annotated if row.foreground_areas is not None]
    results = [getattr(row, gate) for row in rows]
    types = [REFERRING if row.sentence_type is None else row.sentence_type for row in rows]
    values = {
        'R': [
            mean(
                visa_robustness_of_counts(
                    np.subtract(result.areas, result.intersections), row.foreground_areas
                )
            )
            for row, result in zip(rows, results)
        ],
        'J': [mean(result.region) for result in results],
        'F': [mean(result.contour) for result in results],
    }
    figures = {f'visa_{name}': 100 * visa_mean(per_row, types) for name, per_row in values.items()}
    figures['visa_J&F'] = (figures['visa_J'] + figures['visa_F']) / 2
    for kind, label in ((REFERRING, 'referring'), (REASONING, 'reasoning')):
        chosen = [value for value, of in zip(values['R'], types) if of == kind]
        figures[f'visa_R/{label}'] = 100 * mean(chosen)
    return figures


def _gate_figures(scored: ScoredSet, figures: Sequence[Figure]) -> list[Figure]:
    """How well the verdict ranks and decides, and what the gate does to J&F and R."""
    aligned, misaligned = _consensus(scored.positives), _consensus(scored.negatives)
    as_detector = [[1 - score for score in scores] for scores in (misaligned, aligned)]
    table = gate_table(aligned, misaligned, threshold=scored.gate_threshold)
    values = {
        'AP_aligned': average_precision(aligned, misaligned),
        'AP_misaligned': average_precision(*as_detector),
        'FPR95_aligned': fpr_at_tpr(aligned, misaligned),
        'gate_TPR': table.true_positive_rate,
        'gate_FPR': table.false_positive_rate,
        'gate_balanced_accuracy': table.balanced_accuracy,
    }
    known = as_dictionary(figures)
    for name in ('J&F', 'R'):
        if name in known:
            values[f'gate_delta_{name}'] = known[name] - known[f'ungated/{name}']
    return [Figure(key, value, PER_PAIR, '-', 'gate') for key, value in values.items()]


def positive_of_negative(
    positives: Sequence[PairRow], negatives: Sequence[PairRow]
) -> list[int] | None:
    """Index of the positive that each negative was made from, None when some negative has none."""
    index_of = {row.stem: index for index, row in enumerate(positives)}
    stems = [row.stem for row in negatives]
    if len(index_of) < len(positives) or any(stem not in index_of for stem in stems):
        return None
    return [index_of[stem] for stem in stems]


def _tell_what_is_absent(scored: ScoredSet) -> None:
    """Log why figures will be NaN, or less than they seem."""
    positives, negatives, groups = scored.positives, scored.negatives, set(scored.groups)
    if not positives and not scored.objects:
        warn('no positive pairs: J, F, R and AUROC are NaN')
    elif groups & {'robustness', 'verdict', 'gate'} and not negatives:
        warn(
            'no negative pairs: R, J&F&R and AUROC are NaN; a pairs file with negatives, given to '
            'the dataset, adds them'
        )
    elif 'robustness' in groups and positive_of_negative(positives, negatives) is None:
        warn(
            'some negative pairs have no positive of the same "<video>/<sentence>/" id: R weights '
            'all negatives alike and R_pair is NaN'
        )
    if groups & {'verdict', 'gate'} and not scored.has_verdict:
        warn(
            'the model gives no consensus: AUROC is NaN, and all other figures are the same with '
            'and without gate'
        )
    if 'visa' in groups and all(row.foreground_areas is None for row in scored.annotated):
        warn(
            'the samples do not tell the pixels of all objects (gt_foreground): the figures of '
            'VISA are NaN; PackReferringInputs(with_foreground=True) adds them'
        )
    without = len(positives) - len(scored.annotated)
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


def warn(message: str) -> None:
    """Log a warning in the name of the metric."""
    print_log(f'JFRMetric: {message}', logger='current', level=logging.WARNING)
