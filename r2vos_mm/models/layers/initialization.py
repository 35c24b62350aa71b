"""Initialize weights as DETR does."""

from torch import nn


def xavier_matrices(module: nn.Module) -> None:
    """Draw every parameter with more than one axis from Xavier's uniform distribution (DETR)."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
