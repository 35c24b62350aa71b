"""Apply ReLU and dropout in one step."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .caching import is_compiling


class ReluDropout(nn.Module):
    """ReLU, in place, and dropout, with the same random numbers as ``nn.Dropout``.

    On a CPU, PyTorch keeps the input of dropout and a mask of its type for the backward pass. Here
    nothing but the output is kept, which the next layer keeps anyway.

    Args:
        p: share of the numbers that become zero, below 1.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the same shape."""
        if self.training and self.p and x.device.type == 'cpu' and not is_compiling():
            return _ReluDropout.apply(x, self.p)
        return F.dropout(F.relu(x, inplace=True), self.p, self.training)

    def extra_repr(self) -> str:
        return f'p={self.p}'


class _ReluDropout(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, p: float) -> Tensor:
        kept = torch.empty_like(x, dtype=torch.bool).bernoulli_(1 - p)
        context.scale = 1 / (1 - p)
        output = torch.where(kept, x, 0).clamp_(min=0).mul_(context.scale)
        context.save_for_backward(output)
        return output

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Return the gradient, which is zero where the output is."""
        (output,) = context.saved_tensors
        return torch.where(output > 0, gradient, 0).mul_(context.scale), None
