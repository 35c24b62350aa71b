"""Turn the predictions of all queries into one mask per pair at the size of the files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmdet.structures.mask import mask2bbox
from mmengine.structures import InstanceData
from torch import Tensor

from r2vos_mm.registry import TASK_UTILS
from r2vos_mm.structures import QueryPredictions

_RENAMED = {'window': 'frames_per_pass', 'figures': 'return_attention'}


@dataclass
class PredictConfig:
    """Settings of prediction, the ``test_cfg`` of a model."""

    # frames that pass through the model together; None for the whole video. The model's memory use
    # grows with this number, not with the length of the video
    frames_per_pass: int | None = None
    # pad windows of fewer than frames_per_pass frames to that length by masked frames, so that a
    # model is compiled for one length only; results differ by rounding
    pad_windows: bool = False
    pairs_per_pass: int = 8  # expressions that pass through the text-dependent part together
    mask_threshold: float = 0.5  # probability above which a pixel is foreground
    gate_threshold: float = 0.5  # consensus below which the masks are emptied; 0 keeps them all
    # consensus is sigmoid(-logit / temperature) of the misalignment logit; r2vos calibrate fits it
    temperature: float = 1.0
    # what consensus is: ``cycle``, that of the cycle head (1 without one), or ``words``, that of
    # the model's word maps, which needs no training
    verdict: str = 'cycle'
    return_attention: bool = False  # also return ``grounding_attention`` and ``early_features``
    # config of the part that makes masks at the size of the files
    mask_reader: dict = field(default_factory=lambda: dict(type='BilinearMaskReader'))
    candidates: bool = False  # also return the masks and scores of all queries, which mAP needs
    # megabytes of queries' masks of one video in memory; those beyond it are kept in a temporary
    # file, which TMPDIR places, until the query is chosen
    mask_memory: float = 256

    def __post_init__(self) -> None:
        frames = self.frames_per_pass
        if (frames is not None and frames < 1) or self.pairs_per_pass < 1:
            raise ValueError(
                'test_cfg: frames_per_pass (or None) and pairs_per_pass must be at least 1, got '
                f'{frames} and {self.pairs_per_pass}'
            )
        if self.pad_windows and frames is None:
            raise ValueError('test_cfg: pad_windows needs frames_per_pass, the length of a window')
        for name in ('mask_threshold', 'gate_threshold'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f'test_cfg.{name} is a probability, got {getattr(self, name)}')
        if not self.temperature > 0:
            raise ValueError(f'test_cfg.temperature is above 0, got {self.temperature}')
        if self.verdict not in ('cycle', 'words'):
            raise ValueError(f'test_cfg.verdict={self.verdict!r} is unknown; choose cycle or words')
        self.read_masks = TASK_UTILS.build(self.mask_reader)

    @classmethod
    def from_config(cls, config: dict[str, Any] | None) -> PredictConfig:
        """Build from ``test_cfg``; old names of settings override new ones, with a warning."""
        settings = dict(config or {})
        for old, new in _RENAMED.items():
            if old in settings:
                warnings.warn(
                    f'test_cfg.{old} is deprecated; use test_cfg.{new}',
                    DeprecationWarning,
                    stacklevel=3,
                )
                settings[new] = settings.pop(old)
        return cls(**settings)


def read_queries(
    predictions: QueryPredictions,
    best: Tensor,
    ori_shape: tuple[int, int],
    *,
    config: PredictConfig,
    input_size: tuple[int, int],
) -> InstanceData:
    """Read the predictions of one query per pair for some frames of a video.

    Args:
        predictions: predictions of P pairs for T frames.
        best: (P,) chosen queries.
        ori_shape: (H0, W0).
        config: thresholds, and the part that reads masks.
        input_size: (H, W) of the model's input frames.

    Returns:
        P rows: ``ungated_masks`` (T, H0, W0) bool, ``scores`` (T,), ``boxes`` (T, 4) xyxy in
        pixels (around the masks if queries have no boxes); if asked for, ``candidate_masks``
        (T, N, H0, W0) and ``candidate_scores`` (T, N).
    """
    chosen, (height, width) = predictions.of_queries(best), ori_shape
    masks = _read_masks(chosen.masks, ori_shape, input_size, config)
    if chosen.boxes is None:
        boxes = torch.stack([mask2bbox(frames) for frames in masks])
    else:
        boxes = bbox_cxcywh_to_xyxy(chosen.boxes)
        boxes = boxes * boxes.new_tensor([width, height, width, height])
    pairs = InstanceData(ungated_masks=masks, scores=chosen.scores.sigmoid(), boxes=boxes)
    if config.candidates:
        every = predictions.masks.transpose(1, 2).flatten(0, 1)  # queries of all pairs
        read = _read_masks(every, ori_shape, input_size, config)
        pairs.candidate_masks = read.unflatten(0, (len(best), -1)).transpose(1, 2)
        pairs.candidate_scores = predictions.scores.sigmoid()
    return pairs


def join_frames(parts: Iterable[InstanceData], num_frames: int) -> InstanceData:
    """Join predictions of P pairs for consecutive frames of a video of T frames."""
    whole, done = InstanceData(), 0
    for part in parts:
        for name, some in part.items():  # the second axis is time
            if not done:
                whole[name] = some.new_empty(len(some), num_frames, *some.shape[2:])
            whole[name][:, done : done + some.shape[1]] = some
        done += part.scores.shape[1]
    return whole


def _read_masks(
    logits: Tensor, size: tuple[int, int], input_size: tuple[int, int], config: PredictConfig
) -> Tensor:
    """Convert logits (P, T, h, w) to bool (P, T, H0, W0), pair by pair: float maps are large."""
    threshold = float(torch.tensor(config.mask_threshold).logit())
    options = dict(input_size=input_size, file_size=size)
    return torch.stack([config.read_masks(pair, threshold, **options) for pair in logits])


def place_in_time(pairs: InstanceData, frames: Tensor, length: int) -> InstanceData:
    """Extend predictions of the frames (T',) to all ``length`` frames, empty and of score 0."""
    for name, some in pairs.items():
        if some.dim() > 1:  # the second axis is time
            whole = some.new_zeros(len(some), length, *some.shape[2:])
            whole[:, frames] = some
            pairs[name] = whole
    return pairs
