"""From one data sample to one row of numbers per pair; masks do not leave this file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np
import torch
from mmengine.structures import BaseDataElement

from r2vos_mm.evaluation.functional import score_masks

POSITIVE_KIND = 'positive'


@dataclass(frozen=True)
class MaskResult:
    """What the masks of one pair are worth.

    Attributes:
        area: predicted foreground pixels, summed over frames.
        region: J per frame (T,), None for negative pairs and without annotation.
        contour: F per frame (T,), None likewise.
    """

    area: int
    region: tuple[float, ...] | None = None
    contour: tuple[float, ...] | None = None


@dataclass(frozen=True)
class PairRow:
    """Everything the metric keeps of one pair.

    Attributes:
        pair_id, video, kind, sentence, is_negative: which pair it is.
        num_frames: T.
        num_pixels: pixels of all T frames.
        consensus: probability that the sentence belongs to the video, None from a model without
            verdict.
        gt_area: annotated foreground pixels over all frames, None for negatives and without
            annotation.
        gated: result of the masks after the gate.
        ungated: result of the masks before it.
    """

    pair_id: str
    video: str
    kind: str
    sentence: str
    is_negative: bool
    num_frames: int
    num_pixels: int
    consensus: float | None
    gt_area: int | None
    gated: MaskResult
    ungated: MaskResult

    @property
    def identity(self) -> tuple[Any, ...]:
        """What must agree when the same pair was scored by two processes."""
        return (
            self.pair_id,
            self.video,
            self.kind,
            self.sentence,
            self.is_negative,
            self.num_frames,
            self.num_pixels,
            self.gt_area,
        )


@dataclass(frozen=True)
class _PairMasks:
    """Masks (T, H, W) bool of one pair; ``gt`` is None for negatives and without annotation."""

    gated: np.ndarray
    ungated: np.ndarray
    gt: np.ndarray | None


def rows_of_sample(
    sample: BaseDataElement | Mapping[str, Any], *, bound_th: float
) -> list[PairRow]:
    """Score all P pairs of a data sample.

    Args:
        sample: :obj:`ReferringDataSample` with ``gt_pairs`` and ``pred_pairs``, or the dictionary
            that its ``to_dict`` gives. A model without verdict leaves ``consensus`` and
            ``ungated_masks`` out.
        bound_th: see :func:`r2vos_mm.evaluation.contour_accuracy`.

    Returns:
        P rows, in the order of the sample.

    Raises:
        KeyError: if a field is missing.
        TypeError: if masks are not bool.
        ValueError: if sizes disagree, a pair id occurs twice, or a score is NaN. All name the video
            and, where there is one, the pair.
    """
    fields = _as_dict(sample)
    video = str(fields.get('video_id', '<no video_id>'))
    gt, pred = (
        _as_dict(_get(fields, name, f'data sample of video {video!r}'))
        for name in ('gt_pairs', 'pred_pairs')
    )
    pair_ids, kinds, sentences, is_negative = (
        _get(gt, name, f'gt_pairs of video {video!r}')
        for name in ('pair_ids', 'kinds', 'sentences', 'is_negative')
    )
    is_negative = _to_numpy(is_negative).astype(bool)
    _check_unique(pair_ids, video)
    gated, ungated, annotated = _read_masks(gt, pred, video, len(pair_ids))
    consensus = _read_consensus(pred, pair_ids, video)
    _check_lengths(
        {'is_negative': is_negative, 'kinds': kinds, 'sentences': sentences}, len(pair_ids), video
    )
    _check_kinds(pair_ids, kinds, is_negative, video)
    rows = []
    for index, pair_id in enumerate(pair_ids):
        scored = annotated is not None and not is_negative[index]
        masks = _PairMasks(gated[index], ungated[index], annotated[index] if scored else None)
        gated_result, ungated_result = _score_pair(masks, bound_th)
        rows.append(
            PairRow(
                pair_id=pair_id,
                video=video,
                kind=kinds[index],
                sentence=sentences[index],
                is_negative=bool(is_negative[index]),
                num_frames=len(masks.gated),
                num_pixels=masks.gated.size,
                consensus=None if consensus is None else float(consensus[index]),
                gt_area=int(np.count_nonzero(masks.gt)) if scored else None,
                gated=gated_result,
                ungated=ungated_result,
            )
        )
    return rows


def _score_pair(masks: _PairMasks, bound_th: float) -> tuple[MaskResult, MaskResult]:
    """Results of gated and ungated masks; frames that the gate left alone are scored once."""
    ungated_area = int(np.count_nonzero(masks.ungated))
    same = masks.gated is masks.ungated or np.array_equal(masks.gated, masks.ungated)
    gated_area = ungated_area if same else int(np.count_nonzero(masks.gated))
    if masks.gt is None:
        return MaskResult(gated_area), MaskResult(ungated_area)
    scores = score_masks(masks.ungated, masks.gt, bound_th=bound_th)
    ungated = MaskResult(
        ungated_area, tuple(scores.region.tolist()), tuple(scores.contour.tolist())
    )
    if same:
        return ungated, ungated
    changed = (masks.gated != masks.ungated).any(axis=(1, 2))
    changed_scores = score_masks(masks.gated[changed], masks.gt[changed], bound_th=bound_th)
    scores.region[changed] = changed_scores.region
    scores.contour[changed] = changed_scores.contour
    gated = MaskResult(gated_area, tuple(scores.region.tolist()), tuple(scores.contour.tolist()))
    return gated, ungated


def _read_masks(
    gt: Mapping[str, Any], pred: Mapping[str, Any], video: str, num_pairs: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Gated, ungated and annotated masks (P, T, H, W), checked; no annotation gives None."""
    where = f'pred_pairs of video {video!r}'
    gated = _to_numpy(_get(pred, 'masks', where))
    has_gate = pred.get('consensus') is not None
    ungated = _to_numpy(_get(pred, 'ungated_masks', where)) if has_gate else gated
    annotated = None if gt.get('masks') is None else _to_numpy(gt['masks'])
    named = {
        'pred_pairs.masks': gated,
        'pred_pairs.ungated_masks': ungated,
        'gt_pairs.masks': annotated,
    }
    for name, array in named.items():
        if array is not None:
            _check_masks(f'{name} of video {video!r}', array, num_pairs, gated.shape)
    return gated, ungated, annotated


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


def _read_consensus(
    pred: Mapping[str, Any], pair_ids: Sequence[str], video: str
) -> np.ndarray | None:
    """Consensus (P,) if there is one, after looking for NaN in it and in the scores."""
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
    return values.get('consensus')


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
