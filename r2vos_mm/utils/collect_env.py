"""Print the environment for bug reports: ``python -m r2vos_mm.utils.collect_env``."""

from __future__ import annotations

import importlib.metadata
from contextlib import suppress

from r2vos_mm.version import __version__

_PACKAGES = (
    'mmcv', 'mmcv-lite', 'mmdet', 'mmsegmentation', 'onedl-mmengine', 'onedl-mmcv',
    'onedl-mmdetection', 'onedl-mmsegmentation', 'transformers', 'numpy', 'scipy', 'pycocotools',
)  # fmt: skip


def collect_env() -> dict[str, str]:
    """Collect versions of the ecosystem, and the precision and kernel chosen on each device."""
    import torch
    from mmengine.utils.dl_utils import collect_env as collect_base_env

    from .kernels import OVERRIDE, has_compiled_mmcv, kernels_are_off, kernels_on
    from .precision import resolve_precision

    info = {'r2vos_mm': __version__}
    try:
        info |= {key: str(value) for key, value in collect_base_env().items()}
    except (ImportError, RuntimeError, OSError) as error:  # a TorchVision that does not fit
        info['MMEngine collect_env'] = f'fails with {type(error).__name__}: {error}'
    for package in _PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            info[package] = importlib.metadata.version(package)
    compiled = has_compiled_mmcv()
    info['compiled MMCV operators'] = 'yes' if compiled else 'no, PyTorch forms are used'
    switched = f' ({OVERRIDE} is set)' if kernels_are_off() else ''
    for device in ('cpu', *(f'cuda:{k}' for k in range(torch.cuda.device_count()))):
        info[f"precision 'auto' on {device}"] = str(resolve_precision('auto', device))
        info[f'deformable attention on {device}'] = f'{kernels_on(device)[0]}{switched}'
    return info


if __name__ == '__main__':
    for name, value in collect_env().items():
        print(f'{name}: {value}')
