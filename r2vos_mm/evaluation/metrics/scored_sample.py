"""What the metric takes from a data sample, read and checked; errors name the sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from mmengine.structures import BaseDataElement

from ..functional import NO_TARGET, REASONING, REFERRING

POSITIVE_KIND = 'positive'
_FRAME_AXES = {
    0: ('void', 'foreground'),
    1: ('gated', 'ungated', 'annotated', 'scores', 'candidate_masks', 'candidate_scores'),
}


@dataclass(frozen=True)
class ScoredSample:
    """A data sample read and checked: P pairs of one video.

    Attributes:
        video: its id.
        frame_ids: names of the T frames.
        pair_ids, kinds, sentences: P each.
        exp_ids, obj_ids: P each, None where the sample does not tell.
        is_negative: (P,) bool.
        gated, ungated: masks (P, T, H, W) bool after and before the gate.
        annotated: masks (P, T, H, W) bool, None without annotation.
        void: pixels (T, H, W) bool that only the protocol ``davis_unsup`` leaves out, None if the
            sample has none.
        foreground: pixels (T, H, W) bool of any annotated object, None if the sample does not tell.
        sentence_types: P of 0, 1, 2 (referring, reasoning, no target), None where the sample does
            not tell.
        consensus: (P,) float, None from a model without verdict.
        scores: (P, T) float of the chosen masks, None if the model gives none.
        candidate_masks: masks (P, T, N, H, W) bool of all queries before the gate, None if the
            model gives the chosen ones only.
        candidate_scores: (P, T, N) float of these.
        is_annotated: (T,) bool, frames that somebody annotated; None where all are.
    """

    video: str
    frame_ids: tuple[str, ...]
    pair_ids: tuple[str, ...]
    kinds: tuple[str, ...]
    sentences: tuple[str, ...]
    exp_ids: tuple[str, ...] | None
    obj_ids: tuple[str, ...] | None
    is_negative: np.ndarray
    gated: np.ndarray
    ungated: np.ndarray
    annotated: np.ndarray | None
    void: np.ndarray | None
    foreground: np.ndarray | None
    sentence_types: tuple[int, ...] | None
    consensus: np.ndarray | None
    scores: np.ndarray | None
    candidate_masks: np.ndarray | None
    candidate_scores: np.ndarray | None
    is_annotated: np.ndarray | None = None

    def in_annotated_frames(self) -> ScoredSample:
        """The sample without the frames that nobody annotated, itself where all are."""
        if self.is_annotated is None or self.is_annotated.all():
            return self
        changed: dict[str, Any] = {
            'frame_ids': tuple(np.compress(self.is_annotated, self.frame_ids).tolist()),
            'is_annotated': None,
        }
        for axis, names in _FRAME_AXES.items():
            for name in names:
                values = getattr(self, name)
                if values is not None and values.ndim > axis:
                    changed[name] = np.compress(self.is_annotated, values, axis)
        return replace(self, **changed)


def read_sample(sample: BaseDataElement | Mapping[str, Any]) -> ScoredSample:
    """What the metric needs of a data sample, checked.

    Args:
        sample: :obj:`ReferringDataSample` with ``gt_pairs`` and ``pred_pairs``, or the dictionary
            that its ``to_dict`` gives. A model without verdict leaves ``consensus`` and
            ``ungated_masks`` out, or gives ``misalignment_logits`` of minus infinity.

    Raises:
        KeyError: if a field is missing.
        TypeError: if masks are not bool.
        ValueError: if sizes disagree, a pair id occurs twice, or a score is NaN. All name the video
            and, where there is one, the pair.
    """
    content = _as_dict(sample)
    video = str(content.get('video_id', '<no video_id>'))
    gt, pred = (
        _as_dict(_get(content, name, f'data sample of video {video!r}'))
        for name in ('gt_pairs', 'pred_pairs')
    )
    pair_ids, kinds, sentences, is_negative = (
        _get(gt, name, f'gt_pairs of video {video!r}')
        for name in ('pair_ids', 'kinds', 'sentences', 'is_negative')
    )
    is_negative = _to_numpy(is_negative).astype(bool)
    pred = _without_empty_verdict(pred)
    _check_unique(pair_ids, video)
    masks = _read_masks(gt, pred, video, len(pair_ids))
    verdicts = _read_verdicts(pred, pair_ids, video)
    per_pair = ('exp_ids', 'obj_ids', 'sentence_types')
    ids = {name: gt[name] for name in per_pair if gt.get(name) is not None}
    named = {'is_negative': is_negative, 'kinds': kinds, 'sentences': sentences, **ids}
    _check_lengths(named, len(pair_ids), video)
    _check_kinds(pair_ids, kinds, is_negative, video)
    return ScoredSample(
        video=video,
        frame_ids=_read_frame_ids(content, masks['gated'].shape[1], video),
        pair_ids=tuple(pair_ids),
        kinds=tuple(kinds),
        sentences=tuple(sentences),
        is_negative=is_negative,
        exp_ids=tuple(map(str, ids['exp_ids'])) if 'exp_ids' in ids else None,
        obj_ids=tuple(map(str, ids['obj_ids'])) if 'obj_ids' in ids else None,
        sentence_types=_read_types(ids.get('sentence_types'), pair_ids, video),
        **masks,
        **_read_regions(content, masks['gated'].shape[1:], video),
        **_read_candidates(pred, masks['gated'].shape, video),
        consensus=verdicts.get('consensus'),
        scores=verdicts.get('scores'),
        is_annotated=_read_annotated_frames(content, masks['gated'].shape[1], video),
    )


def _read_annotated_frames(
    content: Mapping[str, Any], num_frames: int, video: str
) -> np.ndarray | None:
    """Which frames are annotated (T,), None where the sample does not tell."""
    flags = content.get('annotated_frames')
    if flags is None:
        return None
    if len(flags) != num_frames or not any(flags):
        raise ValueError(
            f'annotated_frames of video {video!r} must tell at least one of {num_frames} frames, '
            f'got {list(flags)}'
        )
    return np.asarray(flags, dtype=bool)


def _without_empty_verdict(pred: Mapping[str, Any]) -> Mapping[str, Any]:
    """The predictions, less the consensus of a model that judges nothing.

    Such a model's misalignment logits are minus infinity, and its consensus is 1 throughout.
    """
    logits = pred.get('misalignment_logits')
    if logits is None or not np.isneginf(_to_numpy(logits)).all():
        return pred
    return {name: value for name, value in pred.items() if name != 'consensus'}


def _read_masks(
    gt: Mapping[str, Any], pred: Mapping[str, Any], video: str, num_pairs: int
) -> dict[str, np.ndarray | None]:
    """Masks (P, T, H, W), checked, by their name in :class:`ScoredSample`."""
    where = f'pred_pairs of video {video!r}'
    gated = _to_numpy(_get(pred, 'masks', where))
    has_gate = pred.get('consensus') is not None
    masks = {
        'gated': gated,
        'ungated': _to_numpy(_get(pred, 'ungated_masks', where)) if has_gate else gated,
        'annotated': None if gt.get('masks') is None else _to_numpy(gt['masks']),
    }
    fields = ('pred_pairs.masks', 'pred_pairs.ungated_masks', 'gt_pairs.masks')
    for field, array in zip(fields, masks.values()):
        if array is not None:
            _check_masks(f'{field} of video {video!r}', array, num_pairs, gated.shape)
    return masks


def _check_masks(name: str, masks: np.ndarray, num_pairs: int, shape: tuple[int, ...]) -> None:
    """Raise for masks that are not bool (P, T, H, W) of the given shape."""
    if masks.dtype != np.bool_:
        raise TypeError(
            f'{name} must be bool, got {masks.dtype}: threshold them in the model or loader'
        )
    if masks.ndim != 4 or len(masks) != num_pairs or 0 in masks.shape[1:]:
        raise ValueError(
            f'{name} must be (P, T, H, W) with P = {num_pairs} pairs and at least one frame, '
            f'got {masks.shape}'
        )
    if masks.shape != shape:
        raise ValueError(
            f'{name} has shape {masks.shape}, pred_pairs.masks has {shape}: predictions are '
            'scored at the size of the annotation'
        )


def _read_regions(
    content: Mapping[str, Any], shape: tuple[int, int, int], video: str
) -> dict[str, np.ndarray | None]:
    """Void and foreground pixels (T, H, W), checked."""
    regions = {}
    for name in ('void', 'foreground'):
        region = content.get(f'gt_{name}')
        regions[name] = None if region is None else _to_numpy(region)
        if region is not None and (
            regions[name].dtype != np.bool_ or regions[name].shape != tuple(shape)
        ):
            raise ValueError(
                f'gt_{name} of video {video!r} must be bool {tuple(shape)}, got '
                f'{regions[name].dtype} {regions[name].shape}'
            )
    return regions


def _read_candidates(
    pred: Mapping[str, Any], shape: tuple[int, int, int, int], video: str
) -> dict[str, np.ndarray | None]:
    """Masks (P, T, N, H, W) and scores (P, T, N) of all queries, checked; None if not given."""
    names = ('candidate_masks', 'candidate_scores')
    if pred.get(names[0]) is None:
        return dict.fromkeys(names)
    where = f'pred_pairs of video {video!r}'
    masks, scores = (_to_numpy(_get(pred, name, where)) for name in names)
    if (
        masks.dtype != np.bool_
        or masks.ndim != 5
        or (*masks.shape[:2], *masks.shape[3:]) != tuple(shape)
        or scores.shape != masks.shape[:3]
        or np.isnan(scores).any()
    ):
        raise ValueError(
            f'candidate_masks of video {video!r} must be bool (P, T, N, H, W) for masks '
            f'{tuple(shape)}, candidate_scores (P, T, N) without NaN; got {masks.dtype} '
            f'{masks.shape} and {scores.shape}'
        )
    return dict(zip(names, (masks, scores)))


def _read_types(
    types: Sequence[int] | None, pair_ids: Sequence[str], video: str
) -> tuple[int, ...] | None:
    """Types of the P sentences, checked."""
    if types is None:
        return None
    for pair_id, value in zip(pair_ids, types):
        if int(value) not in (REFERRING, REASONING, NO_TARGET):
            raise ValueError(
                f'pair {pair_id!r} of video {video!r} has sentence type {value}; there are 0 '
                '(referring), 1 (reasoning) and 2 (no target)'
            )
    return tuple(map(int, types))


def _read_verdicts(
    pred: Mapping[str, Any], pair_ids: Sequence[str], video: str
) -> dict[str, np.ndarray]:
    """Consensus (P,) and scores (P, T) as far as they are there, after looking for NaN in them."""
    values = {
        name: _to_numpy(pred[name])
        for name in ('consensus', 'scores')
        if pred.get(name) is not None
    }
    for name, array in values.items():
        _check_lengths({f'pred_pairs.{name}': array}, len(pair_ids), video)
        for pair_id, value in zip(pair_ids, array):
            if np.isnan(value).any():
                raise ValueError(
                    f'pred_pairs.{name} of pair {pair_id!r}, video {video!r}, is NaN: the '
                    'model diverged or its checkpoint is broken'
                )
    return values


def _read_frame_ids(content: Mapping[str, Any], num_frames: int, video: str) -> tuple[str, ...]:
    """Names of the frames; numbers where the sample does not tell."""
    names = content.get('frame_ids')
    if names is None:
        return tuple(map(str, range(num_frames)))
    if len(names) != num_frames:
        raise ValueError(
            f'frame_ids of video {video!r} has {len(names)} names for masks of {num_frames} frames'
        )
    return tuple(map(str, names))


def _check_unique(pair_ids: Sequence[str], video: str) -> None:
    """Raise for a pair id that occurs twice in one sample."""
    seen: set[str] = set()
    for pair_id in pair_ids:
        if pair_id in seen:
            raise ValueError(
                f'pair {pair_id!r} occurs twice in the sample of video {video!r}: pair ids '
                'must be unique in the dataset'
            )
        seen.add(pair_id)


def _check_lengths(fields: Mapping[str, Sequence[Any]], num_pairs: int, video: str) -> None:
    """Raise for a field that does not have one entry per pair."""
    for name, values in fields.items():
        if len(values) != num_pairs:
            raise ValueError(
                f'{name} of video {video!r} has {len(values)} entries for {num_pairs} pairs'
            )


def _check_kinds(
    pair_ids: Sequence[str], kinds: Sequence[str], is_negative: np.ndarray, video: str
) -> None:
    """Raise for a pair whose kind and label contradict each other."""
    for pair_id, kind, negative in zip(pair_ids, kinds, is_negative):
        if (kind == POSITIVE_KIND) == bool(negative):
            raise ValueError(
                f'pair {pair_id!r} of video {video!r} has kind {kind!r} but is_negative='
                f'{bool(negative)}'
            )


def _as_dict(element: BaseDataElement | Mapping[str, Any]) -> Mapping[str, Any]:
    """Fields and metainfo of a data element; a mapping is given back as it is."""
    if isinstance(element, BaseDataElement):
        return dict(element.all_items())
    return element


def _get(fields: Mapping[str, Any], name: str, where: str) -> Any:
    """Value of a field, or an error that says which one is missing where."""
    if fields.get(name) is None:
        raise KeyError(f'{where} has no {name!r}; it has {sorted(fields)}')
    return fields[name]


def _to_numpy(values: Any) -> np.ndarray:
    """Tensor (on any device), array or list as array."""
    if isinstance(values, torch.Tensor):
        return values.detach().cpu().numpy()
    return np.asarray(values)
