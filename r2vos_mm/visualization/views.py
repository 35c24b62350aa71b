"""Extract the values to draw from data samples, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData

from r2vos_mm.structures import ReferringDataSample


@dataclass(frozen=True, eq=False)
class PairView:
    """One (clip, expression) pair for the drawing functions. Fields that are None are not drawn.

    Attributes:
        sentence: Any Unicode text.
        masks: (T, H, W) bool, predicted, after the gate: an array, or a sequence that is indexed
            like one, as are ``rejected_masks``.
        true_masks: (T, H, W) bool; H, W may differ from the prediction's and the frames'.
        rejected_masks: (T, H, W) bool, predicted before the gate; drawn only if the verdict is that
            the object is not in the video.
        boxes: (T, 4) predicted, x1, y1, x2, y2 in [0, 1] of the frame; zeros are absent.
        true_boxes: (T, 4) as ``boxes``; drawn only if there is no predicted mask to hide.
        scores: (T,) score of the chosen query.
        consensus: Probability that the expression belongs to the video; below ``threshold`` the
            verdict is 'not in the video'.
        is_negative, kind: Whether in truth it does not, and 'positive' or the kind of negative.
        grounding_attention: (T, h, w) float, attention between words and pixels, summed over words.
        early_features: (T, h, w) float, norm of the grounded features.
    """

    sentence: str
    masks: np.ndarray | None = None
    true_masks: np.ndarray | None = None
    rejected_masks: np.ndarray | None = None
    boxes: np.ndarray | None = None
    true_boxes: np.ndarray | None = None
    scores: np.ndarray | None = None
    consensus: float | None = None
    is_negative: bool | None = None
    kind: str = ''
    grounding_attention: np.ndarray | None = None
    early_features: np.ndarray | None = None
    threshold: float = 0.5

    @property
    def found(self) -> bool | None:
        """Verdict whether the object is in the video; None without a consensus."""
        return None if self.consensus is None else self.consensus >= self.threshold

    @property
    def correct(self) -> bool | None:
        """Whether the verdict agrees with the truth; None if either is unknown."""
        if self.found is None or self.is_negative is None:
            return None
        return self.found != self.is_negative

    def select(self, frames: Sequence[int]) -> PairView:
        """Return the pair at some of its frames."""
        arrays = {n: v for n, v in vars(self).items() if hasattr(v, 'shape')}
        return replace(self, **{name: array[list(frames)] for name, array in arrays.items()})


@dataclass(frozen=True, eq=False)
class ClipView:
    """Frames and the pair to draw over them: one row of a contact sheet.

    Attributes:
        frames: T RGB frames (H, W, 3) uint8: an array (T, H, W, 3) or any sequence.
        title, frame_ids: Text such as the video's name, and T labels or None.
    """

    frames: Sequence[np.ndarray]
    pair: PairView
    title: str = ''
    frame_ids: Sequence[str] | None = None

    def select(self, frames: Sequence[int]) -> ClipView:
        """Return the clip at some of its frames, held in memory."""
        ids = None if self.frame_ids is None else [self.frame_ids[i] for i in frames]
        return ClipView([self.frames[i] for i in frames], self.pair.select(frames), self.title, ids)


def pair_views(
    sample: ReferringDataSample,
    *,
    threshold: float = 0.5,
    truth: bool = True,
    prediction: bool = True,
) -> list[PairView]:
    """Return all pairs of a data sample, in its order.

    Args:
        sample: Has ``gt_pairs`` (``texts``, and the truth if known) and, to draw predictions,
            ``pred_pairs``.
        threshold: Consensus below it means 'not in the video'.
        truth, prediction: Take true masks, boxes and labels; take the predictions.
    """
    pairs = sample.get('gt_pairs')
    if pairs is None or 'texts' not in pairs:
        name = sample.get('video_id')
        raise ValueError(f'Sample {name!r} has no gt_pairs.texts to draw masks for')
    columns = _true_columns(pairs) if truth else {}
    if prediction and sample.get('pred_pairs') is not None:
        columns |= _predicted_columns(sample.pred_pairs, sample.get('ori_shape'))
    known = {name: column for name, column in columns.items() if column is not None}
    return [
        PairView(sentence, threshold=threshold, **{name: known[name][index] for name in known})
        for index, sentence in enumerate(pairs.texts)
    ]


def _true_columns(pairs: InstanceData) -> dict[str, Any]:
    columns = {'true_masks': _array(pairs, 'masks'), 'kind': pairs.get('kinds')}
    if 'is_negative' in pairs:
        columns['is_negative'] = _array(pairs, 'is_negative').tolist()
    boxes = _array(pairs, 'boxes')
    if boxes is not None:
        half = boxes[..., 2:] / 2
        columns['true_boxes'] = np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], -1)
    return columns


def _predicted_columns(pairs: InstanceData, shape: tuple[int, int] | None) -> dict[str, Any]:
    names = ('masks', 'scores', 'grounding_attention', 'early_features')
    columns = {name: _array(pairs, name) for name in names}
    columns['rejected_masks'] = _array(pairs, 'ungated_masks')
    consensus, logits = _array(pairs, 'consensus'), _array(pairs, 'misalignment_logits')
    if consensus is not None:
        # With a logit of minus infinity the model judges nothing.
        judged = ~np.isneginf(np.zeros(len(consensus)) if logits is None else logits)
        columns['consensus'] = np.where(judged, consensus, None).tolist()
    boxes = _array(pairs, 'boxes')
    if boxes is not None and shape is not None:
        columns['boxes'] = boxes / np.asarray([shape[1], shape[0]] * 2, np.float32)
    return columns


def _array(pairs: InstanceData, name: str) -> np.ndarray | None:
    value = pairs.get(name)
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() else value
    return None if value is None else np.asarray(value)


def spread(length: int, count: int) -> list[int]:
    """Return at most ``count`` indices spread evenly over ``range(length)``, with both ends.

    >>> spread(9, 3), spread(2, 5), spread(7, 1)
    ([0, 4, 8], [0, 1], [3])
    """
    if length < 1 or count < 1:
        raise ValueError(f'There is nothing to choose from {length} frames for {count} columns')
    if count == 1:
        return [(length - 1) // 2]
    count = min(count, length)
    return [round(i * (length - 1) / max(count - 1, 1)) for i in range(count)]


def balanced(negative: Sequence[bool], count: int) -> list[int]:
    """Return at most ``count`` positions, half of them negatives if there are enough of both.

    Each half is spread evenly over its group, since neighbours tend to be alike.

    >>> balanced([False, False, False, True, True, True], 4)
    [0, 2, 3, 5]
    >>> balanced([False, True, True, True], 3)
    [0, 1, 3]
    """
    positives, negatives = np.flatnonzero(~np.array(negative, bool)), np.flatnonzero(negative)
    share = min(len(negatives), max(count // 2, count - len(positives)))
    chosen = []
    for group, places in ((positives, count - share), (negatives, share)):
        if len(group) and places:
            chosen += group[spread(len(group), places)].tolist()
    return sorted(chosen)
