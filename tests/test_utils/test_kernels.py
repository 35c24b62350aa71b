"""Kernels that a device can run."""

from importlib.machinery import ModuleSpec

import pytest
import torch

from r2vos_mm.utils import kernels


@pytest.mark.parametrize(
    ('capability', 'packages', 'switch', 'expected'),
    [
        ((9, 0), ['triton', 'mmcv._ext'], '', ['Triton', 'MMCV', 'PyTorch']),
        ((9, 0), ['triton'], '0', ['Triton', 'PyTorch']),
        ((7, 5), ['triton', 'mmcv._ext'], '0', ['MMCV', 'PyTorch']),
        ((9, 0), ['mmcv._ext'], '0', ['MMCV', 'PyTorch']),
        ((9, 0), ['triton', 'mmcv._ext'], '1', ['PyTorch']),
    ],
)
def test_kernels_of_a_gpu(monkeypatch, capability, packages, switch, expected):
    def find_spec(name):
        """The placeholder of MMCV's operators is a module of no file."""
        if name in packages:
            return ModuleSpec(name, None, origin=f'{name}.so')
        return ModuleSpec(name, None) if name == 'mmcv._ext' else None

    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: capability)
    monkeypatch.setattr(kernels.importlib.util, 'find_spec', find_spec)
    monkeypatch.setenv('R2VOS_NO_KERNELS', switch)
    kernels._compiled_kernels.cache_clear()
    assert list(kernels.kernels_on('cuda:0')) == expected
    assert kernels.kernels_on('cpu') == ('PyTorch',)
    kernels._compiled_kernels.cache_clear()
