"""One query slot for the whole clip."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from r2vos_mm.registry import TASK_UTILS
from r2vos_mm.structures import PairTargets, SlotPredictions


@TASK_UTILS.register_module()
class TubeMatcher:
    """Chooses for each pair the query slot of least cost over all frames together.

    There is one target per pair, so that the assignment is an arg-min. A pair whose object is never
    visible is matched by its (empty) masks alone.

    Args:
        costs: configs of the costs that are added up, each of which maps
            (:class:`SlotPredictions`, :class:`PairTargets`) to (P, N).

    Raises:
        ValueError: no cost is named.
    """

    def __init__(self, costs: Sequence[dict[str, Any]]) -> None:
        if not costs:
            raise ValueError('TubeMatcher: costs is empty; name at least one cost')
        self._costs = [TASK_UTILS.build(cost) for cost in costs]

    def __call__(self, predictions: SlotPredictions, targets: PairTargets) -> Tensor:
        """(P,) int64: the cheapest slot of each pair. Arguments as for :meth:`costs`."""
        return self.costs(predictions, targets).argmin(dim=1)

    @torch.no_grad()
    def costs(self, predictions: SlotPredictions, targets: PairTargets) -> Tensor:
        """Total cost of each slot, in float32 whatever the autocast state and without gradients.

        Args:
            predictions: the N slots of P pairs.
            targets: the P objects, masks at the size (h, w) of the predicted ones.

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
            predictions = SlotPredictions(
                predictions.scores.float(), predictions.boxes.float(), masks.float()
            )
            targets = PairTargets(targets.boxes.float(), wanted, targets.valid)
            return sum(cost(predictions, targets) for cost in self._costs)
