"""List the kernels of deformable attention that a device can run."""

import functools
import importlib.util
import os

# Set to 1, only PyTorch's own operators are used.
OVERRIDE = 'R2VOS_NO_KERNELS'
# Triton supports NVIDIA GPUs from the Ampere generation on.
_MIN_CAPABILITY = (8, 0)


def kernels_on(device: object) -> tuple[str, ...]:
    """Return names of kernels, the preferred one first and ``'PyTorch'``, which runs all, last."""
    import torch

    device = torch.device(device)
    if device.type != 'cuda' or kernels_are_off():
        return ('PyTorch',)
    return _compiled_kernels(device)


def kernels_are_off() -> bool:
    """Return whether the environment variable ``R2VOS_NO_KERNELS`` asks for PyTorch only."""
    return os.environ.get(OVERRIDE, '0') not in ('', '0')


def has_compiled_mmcv() -> bool:
    """Return whether MMCV has its operators; the placeholder of ``mmcv._ext`` has no file."""
    return bool(getattr(importlib.util.find_spec('mmcv._ext'), 'origin', None))


@functools.lru_cache
def _compiled_kernels(device: object) -> tuple[str, ...]:
    import torch

    has_triton = importlib.util.find_spec('triton') is not None
    is_recent = torch.cuda.get_device_capability(device) >= _MIN_CAPABILITY
    triton = ('Triton',) if has_triton and is_recent else ()
    return (*triton, *(('MMCV',) if has_compiled_mmcv() else ()), 'PyTorch')
