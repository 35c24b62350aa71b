"""Compute the metric values of a set of scored pairs, each labelled with its protocol.

To add a metric, write a function from an :class:`EvalSet` to values by name and enter it into
:data:`MASK_GROUPS` or :data:`VERDICT_GROUPS`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple

import numpy as np

from r2vos_mm.utils.data_issues import shown
from r2vos_mm.utils.logging import warn

from ..functional.boxes import box_scores
from ..functional.cgf1 import cgf1_scores, image_level_scores, positive_micro_f1
from ..functional.no_target import generalized_scores, null_score
from ..functional.overlap import mean_or_nan
from ..functional.presence import presence_scores
from ..functional.robustness_r2vos import relative_robustness, robustness
from ..functional.robustness_visa import REASONING, REFERRING, visa_mean, visa_robustness
from ..functional.verdict import auroc, average_precision, fpr_at_tpr, gate_scores
from .pair_scores import ObjectScores, PairScores, known_consensus
from .protocols import Sample, percent, protocol_named

GATES = {'': 'on', 'ungated/': 'off'}
DEFAULT_GROUPS = ('quality', 'robustness', 'cgf1', 'verdict')
# Consensus from which on pairs count as answered, in addition to those of the gate.
ANSWER_THRESHOLD = 0.5


class MetricValue(NamedTuple):
    """One reported number with its unique name in the logs and its group.

    Attributes:
        value: percent unless the group is ``verdict`` or ``gate``, or the name ``area_ratio``,
            ``S`` or ``IL_MCC``.
        protocol: a name of :mod:`.protocols`, ``all_frames`` (per pair over all its frames,
            regardless of the protocol of J and F) or ``per_pair`` (one number per pair).
        gate: ``'on'``, ``'off'``, or ``'-'`` where the gate plays no part.
    """

    key: str
    value: float
    protocol: str
    gate: str
    group: str


@dataclass
class EvalSet:
    """The scores of a data set and how to average them.

    Attributes:
        pairs, objects: scores sorted by id; objects are for the protocol ``davis_unsup``.
        protocols: names; values of the first have plain keys.
        groups: groups of values, of :data:`GROUPS`.
        gate_threshold: the gate keeps pairs with at least this consensus.
        clear_below: masks of fewer pixels count as empty in the group ``no_target``.
        positives, annotated, negatives: pairs; annotated are the positives with annotation.
        kinds: all negatives under ``''``, those of each kind under ``'/<kind>'``, in order.
        text_types: annotated pairs of each type of text under ``'/<type>'``, in order.
        num_videos: number of videos with a pair or an object.
    """

    pairs: Sequence[PairScores]
    objects: Sequence[ObjectScores] = ()
    protocols: Sequence[str] = ('per_expression',)
    groups: Sequence[str] = DEFAULT_GROUPS
    gate_threshold: float = 0.5
    clear_below: int = 0

    def __post_init__(self) -> None:
        self.positives = [pair for pair in self.pairs if not pair.is_negative]
        self.annotated = [pair for pair in self.positives if pair.gt_areas is not None]
        self.negatives = [pair for pair in self.pairs if pair.is_negative]
        self.kinds = {'': self.negatives}
        for kind in sorted({pair.kind for pair in self.negatives}):
            self.kinds[f'/{kind}'] = [pair for pair in self.negatives if pair.kind == kind]
        types = sorted({pair.text_type for pair in self.annotated} - {''})
        self.text_types = {
            f'/{name}': [pair for pair in self.annotated if pair.text_type == name]
            for name in types
        }
        self.num_videos = len({row.video for row in (*self.pairs, *self.objects)})

    def before_gate(self) -> EvalSet:
        """Return the set with the scores of masks before the gate."""
        pairs, objects = ([r.before_gate or r for r in rows] for rows in (self.pairs, self.objects))
        return replace(self, pairs=pairs, objects=objects)

    def samples(self, protocol: str) -> list[Sample]:
        """Return the samples of a protocol: annotated pairs, frames of them, or objects.

        There are none if all annotated masks are empty, as such data cannot rate predictions.
        """
        unit, rule = protocol_named(protocol).unit, protocol_named(protocol).frames
        if self.annotated and not any(pair.gt_area for pair in self.annotated):
            return []
        samples = [(r, rule(r)) for r in (self.objects if unit == 'object' else self.annotated)]
        if unit == 'frame':
            samples = [(row, np.array([i])) for row, frames in samples for i in frames]
        return [(row, frames) for row, frames in samples if len(frames)]


def metric_values(eval_set: EvalSet) -> list[MetricValue]:
    """Return all values of the chosen groups; keys as in :class:`r2vos_mm.evaluation.JFRMetric`.

    The reasons for values that are NaN are logged as warnings.
    """
    values: list[MetricValue] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        for (prefix, gate), masks in zip(GATES.items(), (eval_set, eval_set.before_gate())):
            for entry in _values_of_masks(masks):
                values.append(entry._replace(key=prefix + entry.key, gate=gate))
    known = as_dictionary(values)
    for group, measure in VERDICT_GROUPS.items():
        if group in eval_set.groups:
            found = measure(eval_set, known).items()
            values += [MetricValue(key, value, 'per_pair', '-', group) for key, value in found]
    for message in dict.fromkeys([*gaps_in(eval_set), *(str(entry.message) for entry in caught)]):
        warn(f'JFRMetric: {message}')
    return values


def as_dictionary(values: Sequence[MetricValue]) -> dict[str, float]:
    """Return the numbers by key."""
    return {entry.key: entry.value for entry in values}


def _values_of_masks(eval_set: EvalSet) -> list[MetricValue]:
    """Return the values of one set of masks, for the gate on."""
    values = [
        MetricValue(key, value, 'all_frames', 'on', group)
        for group, measure in MASK_GROUPS.items()
        if group in eval_set.groups
        for key, value in measure(eval_set).items()
    ]
    known = as_dictionary(values)
    for index, name in enumerate(eval_set.protocols if 'quality' in eval_set.groups else ()):
        protocol = protocol_named(name)
        samples = eval_set.samples(name)
        quality = protocol.measure(samples)
        quality.update(combined_values({**known, **quality}))
        for suffix in eval_set.text_types if protocol.unit != 'object' else ():
            found = protocol.measure([s for s in samples if f'/{s[0].text_type}' == suffix])
            quality |= {k + suffix: found[k] for k in protocol.headline if k in found}
        prefix = f'{name}/' if index else ''
        values += [MetricValue(prefix + k, quality[k], name, 'on', 'quality') for k in quality]
    return values


def combined_values(known: dict[str, float]) -> dict[str, float]:
    """Return the means of values of several groups that can be computed from ``known``."""
    means = {'J&F&R': ('J', 'F', 'R'), 'mevis': ('J&F', 'N_acc', 'T_acc')}
    complete = {name: parts for name, parts in means.items() if known.keys() >= set(parts)}
    return {name: sum(map(known.get, parts)) / 3 for name, parts in complete.items()}


def robustness_values(eval_set: EvalSet) -> dict[str, float]:
    """Return all forms of R in percent, over all negatives and per kind."""
    positives, forms = eval_set.positives, {}
    is_related = positive_of_negative(positives, eval_set.negatives) is not None
    for suffix, members in eval_set.kinds.items():
        stems = {pair.stem for pair in members}
        sides = [pair for pair in positives if not is_related or pair.stem in stems], members
        if not all(pair.is_read for pair in chain(*sides)):
            sides = [], []
        owners = positive_of_negative(*sides) if is_related else None
        own, other = ([pair.area for pair in side] for side in sides)
        if suffix:
            forms[f'R{suffix}'] = relative_robustness(own, other, positive_of_negative=owners)
            continue
        names = ('positive_fractions', 'negative_fractions')
        fractions = {name: [p.fraction for p in side] for name, side in zip(names, sides)}
        forms = robustness(own, other, **fractions, positive_of_negative=owners)
        forms['R_clipped'] = float(np.maximum(forms['R'], 0))
    return percent(forms)


def no_target_values(eval_set: EvalSet) -> dict[str, float]:
    """Return the values of GRES and S over whole pairs, negative or annotated.

    Negatives and objects that are never annotated lack a target.
    """
    pairs = [*eval_set.annotated, *eval_set.negatives]
    unread = {bool(pair.gt_area) for pair in pairs if not pair.is_read}
    pairs = [pair for pair in pairs if pair.is_read]
    inter = [sum(pair.intersections or ()) for pair in pairs]
    areas, truth = [pair.area for pair in pairs], [pair.gt_area or 0 for pair in pairs]
    union = [area + gt - both for area, gt, both in zip(areas, truth, inter)]
    sizes = [(pair.areas, [pair.frame_pixels] * len(pair.frame_ids)) for pair in pairs]
    null_scores = [null_score(*size) for size, gt in zip(sizes, truth) if not gt]
    has_target, options = [gt > 0 for gt in truth], dict(clear_below=eval_set.clear_below)
    scores = generalized_scores(inter, union, areas, has_target, **options)
    values = {**percent(scores), 'S': mean_or_nan(null_scores)}
    # Whether the pairs that a value is about have a target; both for gIoU and cIoU.
    about = {'N_acc': {False}, 'S': {False}, 'gIoU': {False, True}, 'cIoU': {False, True}}
    return {n: np.nan if unread & about.get(n, {True}) else v for n, v in values.items()}


def cgf1_values(eval_set: EvalSet) -> dict[str, float]:
    """Return the presence scores of SAM 3; a pair is answered if its masks have foreground.

    Everything is in percent but ``IL_MCC``. Negatives and objects that are never annotated lack a
    target; positives without annotation count for IL_MCC and IL_FPR only.
    """
    return answer_values(eval_set, [bool(pair.area) for pair in eval_set.pairs])


def cgf1_of_consensus(eval_set: EvalSet, known: dict[str, float]) -> dict[str, float]:
    """Return these scores of ungated masks where the consensus reaches 0.5; {} without verdict."""
    if not known_consensus(eval_set.pairs):
        return {}
    ungated = eval_set.before_gate()
    answered = [
        bool(pair.area) and (pair.consensus or 0.0) >= ANSWER_THRESHOLD for pair in ungated.pairs
    ]
    found = answer_values(ungated, answered).items()
    return {f'consensus{ANSWER_THRESHOLD}/{name}': value for name, value in found}


def answer_values(eval_set: EvalSet, answered: Sequence[bool]) -> dict[str, float]:
    """Return the scores of :func:`cgf1_values`, given which of the pairs are answered.

    They are NaN where they depend on predictions that were not read.
    """
    has_target = [not pair.is_negative and pair.gt_area != 0 for pair in eval_set.pairs]
    unread = {target for pair, target in zip(eval_set.pairs, has_target) if not pair.is_read}
    decision = image_level_scores(answered, has_target)
    decision['IL_MCC'] = np.nan if unread else decision['IL_MCC']
    decision['IL_FPR'] = np.nan if False in unread else 100 * decision['IL_FPR']
    found = zip(eval_set.pairs, answered) if True not in unread else ()
    counts = [
        (sum(pair.intersections), pair.area + pair.gt_area, done)
        for pair, done in found
        if pair.gt_area
    ]
    inter, total, answered = np.array(counts, dtype=np.int64).reshape(-1, 3).T
    f1 = positive_micro_f1(inter, total - inter, answered > 0)
    return decision | percent(cgf1_scores(decision['IL_MCC'], f1))


def box_values(eval_set: EvalSet) -> dict[str, float]:
    """Return the precision of boxes at an IoU of 0.5 in percent, without and with negatives.

    A sample is a frame of a pair: of positives those in which the object is annotated, of negatives
    all. A box is given where the mask has foreground.
    """
    values = {}
    for name, field in (('box', 'box_ious'), ('mask_box', 'mask_box_ious')):
        samples = [
            (getattr(pair, field)[frame], pair.areas[frame] > 0, True)
            for pair in eval_set.annotated
            for frame in np.flatnonzero(pair.gt_areas)
            if getattr(pair, field) is not None
        ]
        if samples:
            samples += [(0.0, area > 0, False) for p in eval_set.negatives for area in p.areas]
        for key, value in box_scores(*zip(*samples) if samples else ((), (), ())).items():
            values[f'{name}_{key}@0.5'] = 100 * value
    return values


def presence_values(eval_set: EvalSet) -> dict[str, float]:
    """Return presence over time in percent, mean over annotated positive pairs, and per type."""
    values = _presence_of(eval_set.annotated)
    for suffix, pairs in eval_set.text_types.items():
        found = _presence_of(pairs)
        values |= {name + suffix: found[name] for name in ('tIoU', 'vIoU')}
    return values


def _presence_of(pairs: Sequence[PairScores]) -> dict[str, float]:
    names = ('tIoU', 'tIoU_yourvos', 'vIoU', 'presence_accuracy', 'false_alarm_rate')
    values: dict[str, list[float]] = {name: [] for name in names}
    is_read = all(pair.is_read for pair in pairs)
    for pair in pairs if is_read else ():
        present = np.array(pair.gt_areas) > 0
        for name, value in presence_scores(np.array(pair.areas) > 0, present, pair.region).items():
            if not np.isnan(value):  # no rate of false alarms if the object is always present
                values[name].append(value)
    return percent({name: mean_or_nan(entries) for name, entries in values.items()})


def visa_values(eval_set: EvalSet) -> dict[str, float]:
    """Return J, F and R of VISA in percent, over annotated pairs whose other objects are known.

    An expression without a type counts as referring.
    """
    pairs = [pair for pair in eval_set.annotated if pair.foreground_areas is not None]
    types = [pair.sentence_type or REFERRING for pair in pairs]
    per_pair: dict[str, list[float]] = {'R': [], 'J': [], 'F': []}
    for pair in pairs:
        outside = np.subtract(pair.areas, pair.intersections)
        robust = visa_robustness(outside, pair.foreground_areas)
        for name, frames in zip(per_pair, (robust, pair.region, pair.contour)):
            per_pair[name].append(mean_or_nan(frames))
    values = {f'visa_{name}': 100 * visa_mean(per_pair[name], types) for name in per_pair}
    values['visa_J&F'] = (values['visa_J'] + values['visa_F']) / 2
    for kind, label in ((REFERRING, 'referring'), (REASONING, 'reasoning')):
        chosen = [value for value, of in zip(per_pair['R'], types) if of == kind]
        values[f'visa_R/{label}'] = 100 * mean_or_nan(chosen)
    return values


def verdict_values(eval_set: EvalSet, known: dict[str, float]) -> dict[str, float]:
    """Return how well the consensus ranks pairs, over all negatives and per kind."""
    aligned, kinds = known_consensus(eval_set.positives), eval_set.kinds
    return {f'AUROC{suffix}': auroc(aligned, known_consensus(kinds[suffix])) for suffix in kinds}


def gate_values(eval_set: EvalSet, known: dict[str, float]) -> dict[str, float]:
    """Return how well the consensus ranks and decides, and what the gate does to J&F and R."""
    aligned, misaligned = known_consensus(eval_set.positives), known_consensus(eval_set.negatives)
    as_detector = [[1 - score for score in scores] for scores in (misaligned, aligned)]
    values = {'AP_aligned': average_precision(aligned, misaligned)}
    values['AP_misaligned'] = average_precision(*as_detector)
    values['FPR95_aligned'] = fpr_at_tpr(aligned, misaligned)
    values |= gate_scores(aligned, misaligned, threshold=eval_set.gate_threshold)
    deltas = {n: known[n] - known[f'ungated/{n}'] for n in ('J&F', 'R') if n in known}
    return values | {f'gate_delta_{name}': delta for name, delta in deltas.items()}


# Values of masks, computed with the gate on and off.
MASK_GROUPS: dict[str, Callable[[EvalSet], dict[str, float]]] = {
    'robustness': robustness_values,
    'cgf1': cgf1_values,
    'no_target': no_target_values,
    'boxes': box_values,
    'presence': presence_values,
    'visa': visa_values,
}
# Values of the consensus; the second argument holds the values of masks.
VERDICT_GROUPS = {
    'verdict': verdict_values,
    'gate': gate_values,
    'cgf1': cgf1_of_consensus,
}
GROUPS = tuple(dict.fromkeys(('quality', *MASK_GROUPS, *VERDICT_GROUPS)))


def positive_of_negative(
    positives: Sequence[PairScores], negatives: Sequence[PairScores]
) -> list[int] | None:
    """Return the index of the positive that each negative was made from, None if one has none."""
    index_of = {pair.stem: index for index, pair in enumerate(positives)}
    stems = [pair.stem for pair in negatives]
    if len(index_of) < len(positives) or any(stem not in index_of for stem in stems):
        return None
    return [index_of[stem] for stem in stems]


def gaps_in(eval_set: EvalSet) -> Iterator[str]:
    """Yield why values are NaN, or means over fewer pairs than expected."""
    positives, negatives, annotated = eval_set.positives, eval_set.negatives, eval_set.annotated
    groups = set(eval_set.groups)
    if not positives and not eval_set.objects:
        yield 'no positive pairs: J, F, R and AUROC are NaN'
    elif groups & {'robustness', *VERDICT_GROUPS} and not negatives:
        yield 'no negative pairs: R, J&F&R, cgF1 and AUROC are NaN; a pairs file can add them'
    elif 'robustness' in groups and positive_of_negative(positives, negatives) is None:
        what = 'some negative pairs have no positive of the same "<video>/<expression>/" id'
        yield f'{what}: R weights all negatives alike and R_pair is NaN'
    if groups & {'verdict', 'gate'} and not known_consensus(eval_set.pairs):
        yield 'the model gives no consensus: AUROC is NaN, and the gate changes no other value'
    if 'visa' in groups and all(pair.foreground_areas is None for pair in annotated):
        yield 'VISA is NaN without gt_foreground: PackReferringInputs(with_foreground=True) adds it'
    if 'boxes' in groups and all(pair.mask_box_ious is None for pair in annotated):
        yield 'no boxes were scored: their precision is NaN'
    unread = sum(not pair.is_read for pair in eval_set.pairs)
    if unread:
        yield f'predictions of {unread} of {len(eval_set.pairs)} pairs were not read: NaN'
    absent = [pair.pair_id for pair in annotated if not pair.gt_area]
    if absent:
        what = f'{len(absent)} of {len(annotated)} pairs have an object that is in no frame'
        effect = (
            'J and F are NaN' if len(absent) == len(annotated) else 'they count as never visible'
        )
        yield f'{what} ({shown(absent)}): {effect}; masks hold object ids, not 0 and 255'
    if len(annotated) < len(positives):
        what = f'{len(positives) - len(annotated)} of {len(positives)} positive pairs'
        yield f'{what} have no annotated masks: they count for R, IL_MCC and AUROC, not for J and F'
