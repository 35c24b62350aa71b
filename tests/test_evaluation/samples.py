"""Small data samples with known figures, for the tests of the metric."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from r2vos_mm.evaluation import JFRMetric
from r2vos_mm.structures import ReferringDataSample


def sample_of(
    video: str,
    pair_ids: list[str],
    gt: np.ndarray | None,
    ungated: np.ndarray,
    consensus: list[float],
    *,
    kinds: list[str] | None = None,
) -> ReferringDataSample:
    """One video; pair ids that end in ``/p`` are positive, a consensus below .5 empties the masks.

    Args:
        video: its id.
        pair_ids: P ids.
        gt: annotated masks (P, T, H, W) bool, None for a video without annotation.
        ungated: predicted masks (P, T, H, W) bool before the gate.
        consensus: P probabilities.
        kinds: P kinds, ``'positive'`` and ``'other_video'`` by default.
    """
    is_negative = [not pair_id.endswith('/p') for pair_id in pair_ids]
    default_kinds = ['other_video' if negative else 'positive' for negative in is_negative]
    sample = ReferringDataSample(metainfo={'video_id': video, 'ori_shape': ungated.shape[-2:]})
    sample.gt_pairs = InstanceData(
        sentences=[f'sentence of {pair_id}' for pair_id in pair_ids],
        pair_ids=pair_ids,
        exp_ids=['0'] * len(pair_ids),
        obj_ids=[''] * len(pair_ids),
        kinds=kinds or default_kinds,
        is_negative=torch.tensor(is_negative),
    )
    if gt is not None:
        sample.gt_pairs.masks = torch.from_numpy(gt)
    verdict = torch.tensor(consensus, dtype=torch.float32)
    masks = torch.from_numpy(ungated)
    sample.pred_pairs = InstanceData(
        masks=masks & (verdict >= 0.5)[:, None, None, None],
        ungated_masks=masks,
        scores=torch.full(ungated.shape[:2], 0.9),
        consensus=verdict,
        misalignment_logits=-torch.logit(verdict),
    )
    return sample


def random_sample(index: int) -> ReferringDataSample:
    """Video ``index``: one positive pair, one to three negatives, all that can be scored."""
    rng = np.random.default_rng(index)
    video, num_negatives, num_frames = f'video{index}', 1 + index % 3, 2 + index % 4
    pair_ids = [f'{video}/0/p', *(f'{video}/0/n{rank}' for rank in range(num_negatives))]
    shape = (len(pair_ids), num_frames, 20 + index, 30)
    gt = np.zeros(shape, dtype=bool)
    gt[0, :, 5:15, 8:20] = True
    kinds = ['positive', *(('other_video', 'attribute')[rank % 2] for rank in range(num_negatives))]
    ungated = gt[:1] ^ (rng.random(shape) < 0.1)
    sample = sample_of(
        video, pair_ids, gt, ungated, rng.random(len(pair_ids)).tolist(), kinds=kinds
    )
    sample.gt_pairs.obj_ids = ['1', *[''] * num_negatives]
    sample.gt_void = torch.from_numpy(rng.random(shape[1:]) < 0.05)
    sample.gt_foreground = torch.from_numpy(gt[0] | (rng.random(shape[1:]) < 0.1))
    sample.gt_pairs.sentence_types = [index % 2] * len(pair_ids)
    candidates = np.stack([ungated, ~ungated], axis=2)
    sample.pred_pairs.candidate_masks = torch.from_numpy(candidates)
    sample.pred_pairs.candidate_scores = torch.from_numpy(rng.random(candidates.shape[:3]))
    return sample


def evaluate(samples: list, **kwargs) -> dict[str, float]:
    """Figures of the samples, through MMEngine's evaluator."""
    evaluator = Evaluator(JFRMetric(**kwargs))
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples))


def block(rows: int, columns: int) -> np.ndarray:
    """Mask (1, 20, 50) = 1,000 pixels, with a block of rows x columns pixels."""
    mask = np.zeros((1, 20, 50), dtype=bool)
    mask[0, 2 : 2 + rows, 3 : 3 + columns] = True
    return mask
