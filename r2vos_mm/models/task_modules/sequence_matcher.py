"""Match queries with all instances of a clip, each a sequence of masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from r2vos_mm.registry import TASK_UTILS
from r2vos_mm.structures import InstanceTargets, QueryPredictions

REFERRED, OTHER = 0, 1  # classes of the costs


@dataclass(frozen=True)
class SequenceMatch:
    """Matched queries and instances of a clip.

    Attributes:
        queries: (K,) int64, ascending.
        instances: (K,) int64, the instance of each query; K is the smaller of N and I.
    """

    queries: Tensor
    instances: Tensor


@TASK_UTILS.register_module()
class SequenceMatcher:
    """Hungarian matching of queries with instances over all frames together (MTTR, Sec. 3.3).

    The cost of a pair of query and instance is the mean over frames of a sum of image costs. Masks
    are compared at the size of the targets, frame by frame, so that only N full-size masks are in
    memory at a time.

    Args:
        costs: configs of costs with the interface of ``mmdet.DiceCost``. Predictions have
            ``scores`` (N, 2), logits of 'referred' and 'other', and ``masks`` (N, H, W) logits;
            targets have ``labels`` (I,), 0 for the referred instance where it is visible, else 1,
            and ``masks`` (I, H, W).

    Raises:
        ValueError: no cost is given.
    """

    def __init__(self, costs: Sequence[dict[str, Any]]) -> None:
        if not costs:
            raise ValueError('SequenceMatcher: costs is empty; give at least one cost')
        self._costs = [TASK_UTILS.build(cost) for cost in costs]

    def __call__(
        self, predictions: QueryPredictions, targets: list[InstanceTargets]
    ) -> list[SequenceMatch]:
        """Match the queries of each pair with the instances of its clip."""
        matches = []
        rows = zip(predictions.scores, predictions.masks, targets, strict=True)
        for scores, masks, target in rows:
            queries, instances = linear_sum_assignment(self.costs(scores, masks, target).cpu())
            indices = (torch.as_tensor(x, device=scores.device) for x in (queries, instances))
            matches.append(SequenceMatch(*indices))
        return matches

    @torch.no_grad()
    def costs(self, scores: Tensor, masks: Tensor, target: InstanceTargets) -> Tensor:
        """Return the cost of every query for every instance, always in float32.

        Args:
            scores: (T, N) referring logits.
            masks: (T, N, h, w) mask logits.
            target: I instances.

        Returns:
            (N, I) float32.
        """
        with torch.autocast(masks.device.type, enabled=False):
            labels = target.labels(referred=REFERRED, other=OTHER)
            total = masks.new_zeros(masks.shape[1], len(target.masks), dtype=torch.float32)
            for frame, (score, mask) in enumerate(zip(scores.float(), masks.float())):
                size = target.masks.shape[-2:]
                found = InstanceData(
                    scores=torch.stack((score, torch.zeros_like(score)), dim=-1),
                    masks=F.interpolate(mask[None], size, mode='bilinear')[0],
                )
                wanted = InstanceData(labels=labels[:, frame], masks=target.masks[:, frame])
                total += sum(cost(found, wanted) for cost in self._costs)
            return total / len(masks)
