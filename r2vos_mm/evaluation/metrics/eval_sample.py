"""Read and check what metrics need from a data sample; errors name the video and the pair."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from r2vos_mm.utils.formats.pairs import POSITIVE

from ..functional.robustness_visa import NO_TARGET, REASONING, REFERRING

_REQUIRED = {'pair_ids', 'kinds', 'expressions', 'is_negative', 'gated'}


def _from(source: str, axes: str, kind: type | None = None) -> Any:
    """Return an attribute that is a field of the data sample, with its leading axes."""
    return field(metadata={'source': source, 'axes': axes, 'kind': kind})


@dataclass(frozen=True)
class EvalSample:
    """The P pairs of one video of T frames with their predictions, as NumPy arrays.

    Attributes:
        sentence_types: 0, 1, 2 (referring, reasoning, no target).
        text_types: names such as static and dynamic (Long-RVOS), '' for none.
        gated, ungated: masks after and before the gate.
        void: pixels that only the protocol ``davis_unsup`` ignores.
        foreground: pixels of any annotated object.
        consensus: None from a model without verdict.
        scores: (P, T) or (P,), of the predicted masks.
        boxes: (P, T, 4) of the chosen queries, x1, y1, x2, y2 in pixels; None if the model gives
            none.
        candidate_masks, candidate_scores: of all N queries before the gate, None if the model gives
            only the predicted ones.
        is_annotated: frames with annotation; None for all.
    """

    video: str
    pair_ids: tuple[str, ...] = _from('gt_pairs.pair_ids', 'P', str)
    kinds: tuple[str, ...] = _from('gt_pairs.kinds', 'P', str)
    expressions: tuple[str, ...] = _from('gt_pairs.texts', 'P', str)
    exp_ids: tuple[str, ...] | None = _from('gt_pairs.exp_ids', 'P', str)
    obj_ids: tuple[str, ...] | None = _from('gt_pairs.obj_ids', 'P', str)
    sentence_types: tuple[int, ...] | None = _from('gt_pairs.sentence_types', 'P', int)
    text_types: tuple[str, ...] | None = _from('gt_pairs.text_types', 'P', str)
    is_negative: np.ndarray = _from('gt_pairs.is_negative', 'P', bool)
    gated: np.ndarray = _from('pred_pairs.masks', 'PTHW')
    ungated: np.ndarray = _from('pred_pairs.ungated_masks', 'PTHW')
    annotated: np.ndarray | None = _from('gt_pairs.masks', 'PTHW')
    void: np.ndarray | None = _from('gt_void', 'THW')
    foreground: np.ndarray | None = _from('gt_foreground', 'THW')
    consensus: np.ndarray | None = _from('pred_pairs.consensus', 'P')
    scores: np.ndarray | None = _from('pred_pairs.scores', 'P')
    boxes: np.ndarray | None = _from('pred_pairs.boxes', 'PT')
    candidate_masks: np.ndarray | None = _from('pred_pairs.candidate_masks', 'PTNHW')
    candidate_scores: np.ndarray | None = _from('pred_pairs.candidate_scores', 'PTN')
    frame_ids: tuple[str, ...] = _from('frame_ids', 'T', str)
    is_annotated: np.ndarray | None = _from('annotated_frames', 'T', bool)

    def in_annotated_frames(self) -> EvalSample:
        """Return the sample without the frames that have no annotation."""
        if self.is_annotated is None or self.is_annotated.all():
            return self
        axes = {entry.name: entry.metadata['axes'].find('T') for entry in fields(self)[1:]}
        axes['scores'] = 1
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
            its ``to_dict`` returns. A model without verdict omits ``consensus`` and
            ``ungated_masks``, or gives ``misalignment_logits`` of minus infinity.

    Raises:
        KeyError, TypeError: A field is missing; masks are not bool.
        ValueError: Sizes disagree, a pair id occurs twice, or a score is NaN.
    """
    reader = _Reader(sample)
    pred = reader.elements['pred_pairs']
    logits = pred.get('misalignment_logits')
    has_verdict = logits is None or not np.isneginf(_to_numpy(logits)).all()
    has_verdict &= pred.get('consensus') is not None
    required = _REQUIRED | ({'ungated'} if has_verdict else set())
    if not has_verdict:
        pred |= {'consensus': None, 'ungated_masks': None}
    if pred.get('candidate_masks') is not None:
        required |= {'candidate_scores'}
    values = {
        entry.name: reader.array(**entry.metadata, required=entry.name in required)
        for entry in fields(EvalSample)[1:]
    }
    if not has_verdict:
        values['ungated'] = values['gated']
    values['frame_ids'] = values['frame_ids'] or tuple(map(str, range(reader.sizes['T'])))
    found = EvalSample(reader.video, **values)
    _check(found)
    return found


class _Reader:
    """Read fields of a data sample; errors name the field and the video."""

    def __init__(self, sample: Any) -> None:
        self.elements = {'': _as_dict(sample)}
        self.video = str(self.elements[''].get('video_id', '<no video_id>'))
        for name in ('gt_pairs', 'pred_pairs'):
            self.elements[name] = _as_dict(self.get('', name))
        self.sizes = {'P': len(self.get('gt_pairs', 'pair_ids'))}

    def get(self, element: str, name: str) -> Any:
        """Return the value of a required field."""
        content = self.elements[element]
        if content.get(name) is None:
            where = f'{element or "data sample"} of video {self.video!r}'
            raise KeyError(f'{where} has no {name!r}; it has {sorted(content)}')
        return content[name]

    def array(self, source: str, axes: str, kind: type | None, *, required: bool) -> Any:
        """Return a field as array or tuple; its sizes agree with those of the fields before."""
        element, _, name = source.rpartition('.')
        if self.elements[element].get(name) is None and not required:
            return None
        array, where = _to_numpy(self.get(element, name)), f'{source} of video {self.video!r}'
        is_mask = axes.endswith('HW')
        if is_mask and array.dtype != np.bool_:
            raise TypeError(f'{where} must be bool, got {array.dtype}: threshold the masks first')
        shape = array.shape if is_mask else array.shape[: len(axes)]
        known = [self.sizes.get(axis, 'any') for axis in axes]
        fits = (size == found or size == 'any' and found for size, found in zip(known, shape))
        if len(shape) != len(axes) or not all(fits):
            sizes = f'({", ".join(axes)}) = ({", ".join(map(str, known))})'
            what = f'{where} has shape {array.shape}, expected {sizes}'
            raise ValueError(f'{what}: pairs, frames and image size must agree')
        self.sizes.update(zip(axes, shape))
        if kind in (str, int):
            return tuple(map(kind, array.tolist()))
        return array if kind is None else array.astype(kind)


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
            raise ValueError(f'{where} has sentence type {types[index]}, which is not 0, 1 or 2')
        for name in ('consensus', 'scores', 'candidate_scores'):
            values = getattr(sample, name)
            if values is not None and np.isnan(values[index]).any():
                where = f'pred_pairs.{name} of pair {pair_id!r}, video {sample.video!r},'
                raise ValueError(f'{where} is NaN: the model diverged or its checkpoint is broken')


def _as_dict(element: Any) -> dict[str, Any]:
    return dict(element.all_items() if hasattr(element, 'all_items') else element)


def _to_numpy(values: Any) -> np.ndarray:
    """Return a tensor (on any device), array or list as an array."""
    return values.detach().cpu().numpy() if hasattr(values, 'detach') else np.asarray(values)
