"""Cache tensors that depend on sizes only."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

import torch

Function = TypeVar('Function', bound=Callable[..., Any])

# PyTorch 2.1 cannot detect that it compiles, PyTorch 2.6 cannot detect that it exports.
is_compiling = getattr(torch.compiler, 'is_compiling', lambda: False)
is_exporting = getattr(torch.compiler, 'is_exporting', is_compiling)


def cache_tensors(maxsize: int) -> Callable[[Function], Function]:
    """Cache the results of a function, as ``functools.lru_cache`` does.

    The cache is not used while a model is compiled or exported: tensors have no values then. They
    are made outside of inference mode, so that the backward pass of a later step may keep them.
    """

    def decorate(function: Function) -> Function:
        cached = lru_cache(maxsize)(torch.inference_mode(False)(function))

        @wraps(function)
        def call(*args: Any) -> Any:
            return (function if is_compiling() or is_exporting() else cached)(*args)

        call.cache_info, call.cache_clear = cached.cache_info, cached.cache_clear
        return call

    return decorate
