"""What the metric takes from a data sample, read and checked; errors name the sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np
import torch
from mmengine.structures import BaseDataElement

POSITIVE_KIND = 'positive'


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
        void: pixels (P, T, H, W) bool that only the protocol ``davis_unsup`` leaves out, None if
            the sample has none.
        consensus: (P,) float, None from a model without verdict.
        scores: (P, T) float of the chosen masks, None if the model gives none.
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
    consensus: np.ndarray | None
    scores: np.ndarray | None


def read_sample(sample: BaseDataElement | Mapping[str, Any]) -> ScoredSample:
    """What the metric needs of a data sample, checked.

    Args:
        sample: :obj:`ReferringDataSample` with ``gt_pairs`` and ``pred_pairs``, or the dictionary
            that its ``to_dict`` gives. A model without verdict leaves ``consensus`` and
            ``ungated_masks`` out.

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
    _check_unique(pair_ids, video)
    masks = _read_masks(gt, pred, video, len(pair_ids))
    verdicts = _read_verdicts(pred, pair_ids, video)
    ids = {name: gt[name] for name in ('exp_ids', 'obj_ids') if gt.get(name) is not None}
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
        **masks,
        consensus=verdicts.get('consensus'),
        scores=verdicts.get('scores'),
    )


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
        'void': None if gt.get('void') is None else _to_numpy(gt['void']),
    }
    fields = ('pred_pairs.masks', 'pred_pairs.ungated_masks', 'gt_pairs.masks', 'gt_pairs.void')
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
