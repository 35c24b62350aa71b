"""Match queries with the objects of a clip, each a sequence of masks, over all frames together."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from r2vos_mm.registry import TASK_UTILS
from r2vos_mm.structures import InstanceTargets, PairTargets, QueryPredictions

REFERRED, OTHER = 0, 1  # classes of the costs of SequenceMatcher


class _Matcher:
    """Base of the matchers: builds the costs to sum."""

    def __init__(self, costs: Sequence[dict[str, Any]]) -> None:
        if not costs:
            raise ValueError(f'{type(self).__name__}: costs is empty; give at least one cost')
        self._costs = [TASK_UTILS.build(cost) for cost in costs]


@TASK_UTILS.register_module()
class TubeMatcher(_Matcher):
    """Choose for each pair the query with the least cost over all frames together.

    There is one target per pair; if its object is never visible, only its (empty) masks count.

    Args:
        costs: configs of costs of (:class:`QueryPredictions`, :class:`PairTargets`), (P, N) each.

    Raises:
        ValueError: no cost is given.
    """

    def __call__(self, predictions: QueryPredictions, targets: PairTargets) -> Tensor:
        """Return the cheapest query of each pair, (P,) int64. Arguments as for :meth:`costs`."""
        return self.costs(predictions, targets).argmin(dim=1)

    @torch.no_grad()
    def costs(self, predictions: QueryPredictions, targets: PairTargets) -> Tensor:
        """Return the cost (P, N) of the N queries of P pairs, in float32 and without gradients.

        Raises:
            ValueError: predicted and target masks have different sizes (h, w).
        """
        masks, wanted = predictions.masks, targets.masks
        if masks.shape[:2] + masks.shape[3:] != wanted.shape:
            raise ValueError(
                f'TubeMatcher: predicted masks {tuple(masks.shape)} (P, T, N, h, w) do not fit '
                f'target masks {tuple(wanted.shape)} (P, T, h, w); bring the targets to the same '
                'stride with PairTargets.at_stride'
            )
        with torch.autocast(masks.device.type, enabled=False):
            predictions = predictions.to(torch.float32)
            targets = replace(targets, boxes=targets.boxes.float(), instances=None)
            return sum(cost(predictions, targets) for cost in self._costs)


class SequenceMatch(NamedTuple):
    """Matched queries and instances of a clip; K is the smaller of their numbers."""

    queries: Tensor  # (K,) int64, ascending
    instances: Tensor  # (K,) int64, the instance of each query


@TASK_UTILS.register_module()
class SequenceMatcher(_Matcher):
    """Hungarian matching of queries with all instances of a clip (MTTR, Sec. 3.3).

    The cost of a pair of query and instance is the mean over frames of a sum of image costs. Masks
    are compared at the size of the targets, N at a time.

    Args:
        costs: configs of costs with the interface of ``mmdet.DiceCost``. Predictions have
            ``scores`` (N, 2), logits of 'referred' and 'other', and ``masks`` (N, H, W) logits;
            targets have ``labels`` (I,), 0 for the referred instance where it is visible, else 1,
            and ``masks`` (I, H, W).

    Raises:
        ValueError: no cost is given.
    """

    def __call__(
        self, predictions: QueryPredictions, targets: list[InstanceTargets]
    ) -> list[SequenceMatch]:
        """Match the queries of each pair with the instances of its clip."""
        matches = []
        for row in zip(predictions.scores, predictions.masks, targets, strict=True):
            costs = self.costs(*row)
            indices = linear_sum_assignment(costs.cpu())
            matches.append(SequenceMatch(*(torch.as_tensor(x).to(costs.device) for x in indices)))
        return matches

    @torch.no_grad()
    def costs(self, scores: Tensor, masks: Tensor, target: InstanceTargets) -> Tensor:
        """Return the cost (N, I) of every query for every instance, always in float32.

        Args:
            scores: (T, N) referring logits.
            masks: (T, N, h, w) mask logits.
            target: I instances.
        """
        labels, total = target.labels(referred=REFERRED, other=OTHER), 0.0
        with torch.autocast(masks.device.type, enabled=False):
            for frame, (score, mask) in enumerate(zip(scores.float(), masks.float())):
                mask = F.interpolate(mask[None], target.masks.shape[-2:], mode='bilinear')[0]
                logits = torch.stack((score, torch.zeros_like(score)), dim=-1)
                found = InstanceData(scores=logits, masks=mask)
                wanted = InstanceData(labels=labels[:, frame], masks=target.masks[:, frame])
                total = total + sum(cost(found, wanted) for cost in self._costs)
            return total / len(masks)
