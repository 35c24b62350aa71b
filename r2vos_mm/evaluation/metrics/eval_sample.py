"""Read and check what metrics need from a data sample; errors name the video and the pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from r2vos_mm.utils.pairs_file import POSITIVE

from ..functional.robustness_visa import NO_TARGET, REASONING, REFERRING

# Attribute of EvalSample: field of the data sample, its leading axes (P pairs, T frames, N
# queries, H, W), and the type of its entries where they are not masks or numbers.
_SOURCES = {
    'pair_ids': ('gt_pairs.pair_ids', 'P', str),
    'kinds': ('gt_pairs.kinds', 'P', str),
    'expressions': ('gt_pairs.sentences', 'P', str),
    'exp_ids': ('gt_pairs.exp_ids', 'P', str),
    'obj_ids': ('gt_pairs.obj_ids', 'P', str),
    'sentence_types': ('gt_pairs.sentence_types', 'P', int),
    'is_negative': ('gt_pairs.is_negative', 'P', bool),
    'gated': ('pred_pairs.masks', 'PTHW', None),
    'ungated': ('pred_pairs.ungated_masks', 'PTHW', None),
    'annotated': ('gt_pairs.masks', 'PTHW', None),
    'void': ('gt_void', 'THW', None),
    'foreground': ('gt_foreground', 'THW', None),
    'consensus': ('pred_pairs.consensus', 'P', None),
    'scores': ('pred_pairs.scores', 'P', None),
    'candidate_masks': ('pred_pairs.candidate_masks', 'PTNHW', None),
    'candidate_scores': ('pred_pairs.candidate_scores', 'PTN', None),
    'frame_ids': ('frame_ids', 'T', str),
    'is_annotated': ('annotated_frames', 'T', bool),
}
_REQUIRED = {'pair_ids', 'kinds', 'expressions', 'is_negative', 'gated', 'ungated'}


@dataclass(frozen=True)
class EvalSample:
    """The P pairs of one video with their predictions, as NumPy arrays.

    Attributes:
        video: video id.
        frame_ids: names of the T frames.
        pair_ids, kinds, expressions: P each.
        exp_ids, obj_ids: P each, or None.
        sentence_types: P of 0, 1, 2 (referring, reasoning, no target), or None.
        is_negative: (P,) bool.
        gated, ungated: masks (P, T, H, W) bool after and before the gate.
        annotated: masks (P, T, H, W) bool, None without annotation.
        void: pixels (T, H, W) bool that only the protocol ``davis_unsup`` ignores, or None.
        foreground: pixels (T, H, W) bool of any annotated object, or None.
        consensus: (P,) float, None from a model without verdict.
        scores: (P, T) or (P,) float of the predicted masks, or None.
        candidate_masks: masks (P, T, N, H, W) bool of all queries before the gate, None if the
            model gives only the predicted ones.
        candidate_scores: (P, T, N) float of these.
        is_annotated: (T,) bool, frames with annotation; None for all.
    """

    video: str
    frame_ids: tuple[str, ...]
    pair_ids: tuple[str, ...]
    kinds: tuple[str, ...]
    expressions: tuple[str, ...]
    exp_ids: tuple[str, ...] | None
    obj_ids: tuple[str, ...] | None
    sentence_types: tuple[int, ...] | None
    is_negative: np.ndarray
    gated: np.ndarray
    ungated: np.ndarray
    annotated: np.ndarray | None
    void: np.ndarray | None
    foreground: np.ndarray | None
    consensus: np.ndarray | None
    scores: np.ndarray | None
    candidate_masks: np.ndarray | None
    candidate_scores: np.ndarray | None
    is_annotated: np.ndarray | None

    def in_annotated_frames(self) -> EvalSample:
        """Return the sample without the frames that have no annotation."""
        if self.is_annotated is None or self.is_annotated.all():
            return self
        axes = {
            name: 1 if name == 'scores' else axes.find('T')
            for name, (_, axes, _) in _SOURCES.items()
        }
        chosen = {
            name: np.compress(self.is_annotated, getattr(self, name), axis)
            for name, axis in axes.items()
            if np.ndim(getattr(self, name)) > axis >= 0
        }
        chosen |= {'frame_ids': tuple(chosen['frame_ids'].tolist()), 'is_annotated': None}
        return replace(self, **chosen)


def read_sample(sample: Any) -> EvalSample:
    """Return what metrics need from a data sample, checked.

    Args:
        sample: :obj:`ReferringDataSample` with ``gt_pairs`` and ``pred_pairs``, or the mapping that
            its ``to_dict`` returns. A model without verdict leaves out ``consensus`` and
            ``ungated_masks``, or gives ``misalignment_logits`` of minus infinity.

    Raises:
        KeyError: A field is missing.
        TypeError: Masks are not bool.
        ValueError: Sizes disagree, a pair id occurs twice, or a score is NaN. All messages name the
            video and, where there is one, the pair.
    """
    reader, values = _Reader(sample), {}
    logits = reader.get('pred_pairs.misalignment_logits')
    has_verdict = reader.get('pred_pairs.consensus') is not None
    has_verdict &= logits is None or not np.isneginf(_to_numpy(logits)).all()
    skipped = set() if has_verdict else {'consensus', 'ungated'}
    for name, (source, axes, kind) in _SOURCES.items():
        values[name] = None
        if name not in skipped:
            is_next = name == 'candidate_scores' and values['candidate_masks'] is not None
            values[name] = reader.array(source, axes, kind, required=name in _REQUIRED or is_next)
    if not has_verdict:
        values['ungated'] = values['gated']
    values['frame_ids'] = values['frame_ids'] or tuple(map(str, range(reader.sizes['T'])))
    found = EvalSample(video=reader.video, **values)
    _check(found)
    return found


class _Reader:
    """Reads fields of a data sample; errors name the field and the video."""

    def __init__(self, sample: Any) -> None:
        self.elements = {'': _as_dict(sample)}
        self.video = str(self.elements[''].get('video_id', '<no video_id>'))
        for name in ('gt_pairs', 'pred_pairs'):
            self.elements[name] = _as_dict(self.get(name, required=True))
        self.sizes = {'P': len(self.get('gt_pairs.pair_ids', required=True))}

    def get(self, source: str, *, required: bool = False) -> Any:
        """Return the value of a field; None if it is missing."""
        element, _, name = source.rpartition('.')
        value = self.elements[element].get(name)
        if required and value is None:
            where = f'{element or "data sample"} of video {self.video!r}'
            raise KeyError(f'{where} has no {name!r}; it has {sorted(self.elements[element])}')
        return value

    def array(self, source: str, axes: str, kind: type | None, *, required: bool) -> Any:
        """Return a field as array or tuple; its sizes agree with those of the fields before."""
        value = self.get(source, required=required)
        if value is None:
            return None
        array, where = _to_numpy(value), f'{source} of video {self.video!r}'
        is_mask = axes.endswith('HW')
        if is_mask and array.dtype != np.bool_:
            raise TypeError(
                f'{where} must be bool, got {array.dtype}: threshold masks in the model or loader'
            )
        shape = array.shape if is_mask else array.shape[: len(axes)]
        sizes = [self.sizes.get(axis, 'any') for axis in axes]
        fits = (size == found or size == 'any' and found for size, found in zip(sizes, shape))
        if len(shape) != len(axes) or not all(fits):
            raise ValueError(
                f'{where} has shape {array.shape}, expected ({", ".join(axes)}) = '
                f'({", ".join(map(str, sizes))}): pairs, frames and image size must agree'
            )
        self.sizes.update(zip(axes, shape))
        if kind is None:
            return array
        return array.astype(bool) if kind is bool else tuple(map(kind, array.tolist()))


def _check(sample: EvalSample) -> None:
    """Raise for repeated ids, kinds that contradict labels, unknown types and scores of NaN."""
    if sample.is_annotated is not None and not sample.is_annotated.any():
        raise ValueError(f'annotated_frames of video {sample.video!r} must mark at least one frame')
    types = sample.sentence_types or [REFERRING] * len(sample.pair_ids)
    for index, pair_id in enumerate(sample.pair_ids):
        where = f'pair {pair_id!r} of video {sample.video!r}'
        kind, negative = sample.kinds[index], bool(sample.is_negative[index])
        if pair_id in sample.pair_ids[:index]:
            raise ValueError(f'{where} occurs twice: pair ids must be unique in the dataset')
        if (kind == POSITIVE) == negative:
            raise ValueError(f'{where} has kind {kind!r} but is_negative={negative}')
        if types[index] not in (REFERRING, REASONING, NO_TARGET):
            raise ValueError(
                f'{where} has sentence type {types[index]}; the types are 0 (referring), 1 '
                '(reasoning) and 2 (no target)'
            )
        for name in ('consensus', 'scores', 'candidate_scores'):
            if getattr(sample, name) is not None and np.isnan(getattr(sample, name)[index]).any():
                raise ValueError(
                    f'pred_pairs.{name} of pair {pair_id!r}, video {sample.video!r}, is NaN: the '
                    'model diverged or its checkpoint is broken'
                )


def _as_dict(element: Any) -> Mapping[str, Any]:
    return dict(element.all_items()) if hasattr(element, 'all_items') else element


def _to_numpy(values: Any) -> np.ndarray:
    """Return a tensor (on any device), array or list as an array."""
    return values.detach().cpu().numpy() if hasattr(values, 'detach') else np.asarray(values)
