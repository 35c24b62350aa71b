"""Separate the embeddings of wrong expressions from their reconstructions by a hinge loss."""

import torch
from torch import Tensor, nn

from r2vos_mm.registry import MODELS


@MODELS.register_module()
class CycleContrastiveLoss(nn.Module):
    """``max(0, margin - mean ||e' - e||_2)`` over negative pairs (released code; not in the paper).

    The mean is inside the hinge, as in the released code. After a layer norm the distance is about
    20, far above the released margin of 0.5, so the loss is 0 there.

    Args:
        margin: distance, in units of the embeddings, above which the loss is 0.
        loss_weight: factor of the loss.
    """

    def __init__(self, *, margin: float = 0.5, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.margin, self.loss_weight = margin, loss_weight

    def forward(self, reconstructed: Tensor, sentence: Tensor) -> Tensor:
        """Compute the weighted hinge.

        Args:
            reconstructed: (M, C) e' of negative pairs.
            sentence: (M, C) their sentence embeddings e.

        Returns:
            Scalar, 0 and still connected to the graph where there are no pairs.
        """
        if not len(reconstructed):
            return reconstructed.sum()
        with torch.autocast(reconstructed.device.type, enabled=False):
            distances = torch.linalg.vector_norm(reconstructed.float() - sentence.float(), dim=-1)
            return self.loss_weight * (self.margin - distances.mean()).clamp(min=0)
