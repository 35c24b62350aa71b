"""Trade time for memory: recompute activations in the backward pass."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def recompute(function: Callable[..., Tensor], *args: Any, when: bool, **kwargs: Any) -> Tensor:
    """Call a function and, ``when`` asked for, keep only its inputs for the backward pass.

    Random numbers, such as those of dropout, are the same in both calls.
    """
    if when and torch.is_grad_enabled():
        return checkpoint(function, *args, use_reentrant=False, **kwargs)
    return function(*args, **kwargs)
