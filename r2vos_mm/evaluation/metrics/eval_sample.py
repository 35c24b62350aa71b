"""Read and check what metrics need from a data sample; errors name the video and the pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from r2vos_mm.utils.pairs_file import POSITIVE

from ..functional.robustness_visa import NO_TARGET, REASONING, REFERRING


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
        scores: (P, T) float of the predicted masks, or None.
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
        frame_axes = {
            **dict.fromkeys(('frame_ids', 'void', 'foreground'), 0),
            **dict.fromkeys(('gated', 'ungated', 'annotated', 'scores'), 1),
            **dict.fromkeys(('candidate_masks', 'candidate_scores'), 1),
        }
        values = {name: getattr(self, name) for name in frame_axes}
        chosen = {
            name: np.compress(self.is_annotated, values[name], axis)
            for name, axis in frame_axes.items()
            if values[name] is not None and np.ndim(values[name]) > axis
        }
        frame_ids = tuple(chosen.pop('frame_ids').tolist())
        return replace(self, **chosen, frame_ids=frame_ids, is_annotated=None)


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
    content = _Fields(sample, 'data sample')
    gt, pred = (_Fields(content[name], name, content.video) for name in ('gt_pairs', 'pred_pairs'))
    pair_ids = tuple(gt['pair_ids'])
    count = {'pairs': len(pair_ids)}
    kinds, expressions = (gt.list(name, count) for name in ('kinds', 'sentences'))
    is_negative = _to_numpy(gt.list('is_negative', count)).astype(bool)
    exp_ids, obj_ids, types = (
        gt.list(name, count, required=False) for name in ('exp_ids', 'obj_ids', 'sentence_types')
    )
    _check_pairs(pair_ids, kinds, is_negative, types, content.video)

    gated = pred.masks('masks', 'P, T, H, W', (len(pair_ids), None, None, None))
    has_gate = pred.get('consensus') is not None and not _has_no_verdict(pred)
    shape = (*gated.shape[:2], None, *gated.shape[2:])
    candidates = pred.masks('candidate_masks', 'P, T, N, H, W', shape, required=False)
    num_candidates = None if candidates is None else candidates.shape[:3]
    count = {'frames': gated.shape[1]}
    frame_ids = content.list('frame_ids', count, required=False) or range(gated.shape[1])
    is_annotated = content.list('annotated_frames', count, required=False)
    if is_annotated is not None and not any(is_annotated):
        raise ValueError(
            f'annotated_frames of video {content.video!r} must mark at least one frame'
        )
    return EvalSample(
        video=content.video,
        frame_ids=tuple(map(str, frame_ids)),
        pair_ids=pair_ids,
        kinds=tuple(kinds),
        expressions=tuple(expressions),
        exp_ids=None if exp_ids is None else tuple(map(str, exp_ids)),
        obj_ids=None if obj_ids is None else tuple(map(str, obj_ids)),
        sentence_types=None if types is None else tuple(map(int, types)),
        is_negative=is_negative,
        gated=gated,
        ungated=pred.masks('ungated_masks', 'P, T, H, W', gated.shape) if has_gate else gated,
        annotated=gt.masks('masks', 'P, T, H, W', gated.shape, required=False),
        void=content.masks('gt_void', 'T, H, W', gated.shape[1:], required=False),
        foreground=content.masks('gt_foreground', 'T, H, W', gated.shape[1:], required=False),
        consensus=pred.scores('consensus', pair_ids) if has_gate else None,
        scores=pred.scores('scores', pair_ids),
        candidate_masks=candidates,
        candidate_scores=pred.scores('candidate_scores', pair_ids, num_candidates),
        is_annotated=None if is_annotated is None else np.asarray(is_annotated, dtype=bool),
    )


class _Fields:
    """Fields of a data element or mapping; errors name the element and the video."""

    def __init__(self, element: Any, name: str, video: str | None = None) -> None:
        is_element = hasattr(element, 'all_items')
        self.content: Mapping[str, Any] = dict(element.all_items()) if is_element else element
        self.video = video or str(self.content.get('video_id', '<no video_id>'))
        self.name, self.where = name, f'{name} of video {self.video!r}'

    def get(self, name: str) -> Any:
        """Return the value of a field or None."""
        return self.content.get(name)

    def __getitem__(self, name: str) -> Any:
        """Return the value of a required field."""
        if self.get(name) is None:
            raise KeyError(f'{self.where} has no {name!r}; it has {sorted(self.content)}')
        return self.get(name)

    def list(self, name: str, count: dict[str, int], *, required: bool = True) -> Any:
        """Return a field with one entry per pair or frame."""
        values = self[name] if required else self.get(name)
        ((what, expected),) = count.items()
        if values is not None and len(values) != expected:
            raise ValueError(
                f'{name} of video {self.video!r} has {len(values)} entries for {expected} {what}'
            )
        return values

    def scores(
        self, name: str, pair_ids: Sequence[str], shape: tuple[int, ...] | None = None
    ) -> np.ndarray | None:
        """Return an optional field of numbers per pair, of a shape if given, without NaN."""
        if self.list(name, {'pairs': len(pair_ids)}, required=shape is not None) is None:
            return None
        values = _to_numpy(self[name])
        if shape not in (None, values.shape):
            raise ValueError(
                f'{name} of video {self.video!r} has shape {values.shape}, expected {shape}'
            )
        for pair_id, value in zip(pair_ids, values):
            if np.isnan(value).any():
                raise ValueError(
                    f'{self.name}.{name} of pair {pair_id!r}, video {self.video!r}, is NaN: the '
                    'model diverged or its checkpoint is broken'
                )
        return values

    def masks(
        self, name: str, axes: str, shape: Sequence[int | None], *, required: bool = True
    ) -> np.ndarray | None:
        """Return a field of bool masks of a shape, where None stands for any size >= 1."""
        if not required and self.get(name) is None:
            return None
        array, where = _to_numpy(self[name]), f'{self.name}.{name} of video {self.video!r}'
        if array.dtype != np.bool_:
            raise TypeError(
                f'{where} must be bool, got {array.dtype}: threshold masks in the model or loader'
            )
        fits = (found == size or size is None and found for found, size in zip(array.shape, shape))
        if array.ndim != len(shape) or not all(fits):
            expected = ', '.join('any' if size is None else str(size) for size in shape)
            raise ValueError(
                f'{where} has shape {array.shape}, expected ({axes}) = ({expected}): all masks '
                'must have the size of the annotation'
            )
        return array


def _has_no_verdict(pred: _Fields) -> bool:
    """Return whether all misalignment logits are minus infinity: the consensus is always 1."""
    logits = pred.get('misalignment_logits')
    return logits is not None and bool(np.isneginf(_to_numpy(logits)).all())


def _check_pairs(
    pair_ids: Sequence[str],
    kinds: Sequence[str],
    is_negative: np.ndarray,
    types: Sequence[int] | None,
    video: str,
) -> None:
    """Raise for repeated pair ids, kinds that contradict labels, and unknown expression types."""
    for index, (pair_id, kind, negative) in enumerate(zip(pair_ids, kinds, is_negative)):
        where = f'pair {pair_id!r} of video {video!r}'
        if pair_id in pair_ids[:index]:
            raise ValueError(f'{where} occurs twice: pair ids must be unique in the dataset')
        if (kind == POSITIVE) == bool(negative):
            raise ValueError(f'{where} has kind {kind!r} but is_negative={bool(negative)}')
        if types is not None and int(types[index]) not in (REFERRING, REASONING, NO_TARGET):
            raise ValueError(
                f'{where} has sentence type {types[index]}; the types are 0 (referring), 1 '
                '(reasoning) and 2 (no target)'
            )


def _to_numpy(values: Any) -> np.ndarray:
    """Return a tensor (on any device), array or list as an array."""
    return values.detach().cpu().numpy() if hasattr(values, 'detach') else np.asarray(values)
