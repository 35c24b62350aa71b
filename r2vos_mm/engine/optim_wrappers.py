"""Optimizer wrappers."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from mmengine.optim import OptimWrapper
from mmengine.runner import autocast
from torch import nn

from r2vos_mm.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Mixed precision with bfloat16, on CPUs as on GPUs.

    MMEngine's ``AmpOptimWrapper`` asserts a GPU, for it scales losses as float16 needs. bfloat16
    has the exponent range of float32 and needs no scaling, so the forward pass under autocast is
    all there is; accumulation and clipping are those of ``OptimWrapper``.

    Args:
        dtype: ``'bfloat16'``, or ``'float32'`` for no mixed precision.
        **kwargs: Arguments of ``mmengine.optim.OptimWrapper``.

    Raises:
        ValueError: for another ``dtype``.
    """

    def __init__(self, *, dtype: str = 'bfloat16', **kwargs: object) -> None:
        if dtype not in ('bfloat16', 'float32'):
            raise ValueError(
                f"AutocastOptimWrapper: dtype must be 'bfloat16' or 'float32', got {dtype!r}; "
                'float16 needs loss scaling: use AmpOptimWrapper (GPU only)'
            )
        super().__init__(**kwargs)
        self.dtype = dtype

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast for the forward pass of one iteration of ``model``."""
        # MMEngine's autocast refuses float32 on CPUs even when it is disabled.
        cast = nullcontext() if self.dtype == 'float32' else autocast(dtype=torch.bfloat16)
        with super().optim_context(model), cast:
            yield
