"""Match one query per pair with its object over the whole clip."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from r2vos_mm.registry import TASK_UTILS
from r2vos_mm.structures import PairTargets, QueryPredictions


@TASK_UTILS.register_module()
class TubeMatcher:
    """Choose for each pair the query with the least cost over all frames together.

    There is one target per pair, so the assignment is an arg-min. A pair whose object is never
    visible is matched by its (empty) masks alone.

    Args:
        costs: configs of the costs to sum, each of which maps (:class:`QueryPredictions`,
            :class:`PairTargets`) to (P, N).

    Raises:
        ValueError: no cost is given.
    """

    def __init__(self, costs: Sequence[dict[str, Any]]) -> None:
        if not costs:
            raise ValueError('TubeMatcher: costs is empty; give at least one cost')
        self._costs = [TASK_UTILS.build(cost) for cost in costs]

    def __call__(self, predictions: QueryPredictions, targets: PairTargets) -> Tensor:
        """Return the cheapest query of each pair, (P,) int64. Arguments as for :meth:`costs`."""
        return self.costs(predictions, targets).argmin(dim=1)

    @torch.no_grad()
    def costs(self, predictions: QueryPredictions, targets: PairTargets) -> Tensor:
        """Return the total cost of each query, always in float32 and without gradients.

        Args:
            predictions: the N queries of P pairs.
            targets: the P objects, with masks of the predicted size (h, w).

        Returns:
            (P, N) float32.

        Raises:
            ValueError: predicted and target masks have different sizes.
        """
        masks, wanted = predictions.masks, targets.masks
        if masks.shape[:2] + masks.shape[3:] != wanted.shape:
            raise ValueError(
                f'TubeMatcher: predicted masks {tuple(masks.shape)} (P, T, N, h, w) do not fit '
                f'target masks {tuple(wanted.shape)} (P, T, h, w); bring the targets to the same '
                'stride with PairTargets.at_stride'
            )
        with torch.autocast(masks.device.type, enabled=False):
            predictions = QueryPredictions(
                predictions.scores.float(), predictions.boxes.float(), masks.float()
            )
            targets = PairTargets(targets.boxes.float(), wanted, targets.valid)
            return sum(cost(predictions, targets) for cost in self._costs)
