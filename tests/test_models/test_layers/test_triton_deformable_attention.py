"""Arithmetic of the Triton kernel in Triton's interpreter, on the CPU, against PyTorch.

The interpreter must be chosen before Triton is imported, so one test runs this file again in a
process of its own. Another test compiles the kernels for a GPU, which needs none.
"""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.checkpoint import checkpoint

pytest.importorskip('triton', reason='the kernel needs the package triton')

from r2vos_mm.models.layers import deformable_sampling as layer  # noqa: E402

INTERPRETED = os.environ.get('TRITON_INTERPRET') == '1'
interpreted = pytest.mark.skipif(not INTERPRETED, reason='runs in a process of its own')


@pytest.mark.skipif(INTERPRETED, reason='this is the process of its own')
def test_arithmetic_in_the_interpreter():
    command = [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', __file__]
    environment = os.environ | dict(TRITON_INTERPRET='1', OMP_NUM_THREADS='1')
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert '9 passed, 3 skipped' in done.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(INTERPRETED, reason='the interpreter compiles nothing')
@pytest.mark.parametrize('name', ['_forward', '_backward'])
def test_kernels_compile_for_an_h100(name):
    import triton
    from triton.backends.compiler import GPUTarget

    from r2vos_mm.models.layers import triton_deformable_attention

    kernel = getattr(triton_deformable_attention, name)
    constants = dict(LEVELS=4, POINTS=4, CHANNELS=32, WIDTH=32, QUERIES=32)
    kinds = dict.fromkeys(constants, 'constexpr')
    kinds |= dict(value='*bf16', output='*bf16', gradient='*bf16', levels='*i32')
    kinds |= dict.fromkeys(('cells', 'queries', 'heads'), 'i32')
    signature = {argument: kinds.get(argument, '*fp32') for argument in kernel.arg_names}
    source = triton.compiler.ASTSource(kernel, signature, constants)
    assert triton.compile(source, target=GPUTarget('cuda', 90, 32)).asm['cubin']


# Height and width of a level; a map may be a single cell.
level_sizes = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=3)


@st.composite
def cases(draw: st.DrawFn) -> dict:
    """Sizes of a call, and a seed."""
    names = dict(batch=(1, 2), heads=(1, 3), points=(1, 4), queries=(1, 40), channels=(1, 9))
    numbers = {name: draw(st.integers(*limits)) for name, limits in names.items()}
    return dict(numbers, shapes=draw(level_sizes), seed=draw(st.integers(0, 2**16)))


def inputs_of(case: dict, dtype: torch.dtype) -> tuple:
    """Values, locations and weights; a third of the locations is outside of the frame.

    Locations are at odd sixteenths of a cell, since gradients jump where a cell begins, and
    rounding decides on which side a location is.
    """
    generator = torch.Generator().manual_seed(case['seed'])
    shapes, head = case['shapes'], (case['batch'], case['queries'], case['heads'])
    sizes = torch.tensor(shapes).flip(1)[:, None]  # levels, 1, (w, h)
    points = (*head, len(shapes), case['points'])
    cells = sum(height * width for height, width in shapes)
    value = torch.randn(
        case['batch'], cells, case['heads'], case['channels'], generator=generator
    ).to(dtype)
    steps = torch.rand(*points, 2, generator=generator) * (sizes + 4) * 8
    places = (2 * steps.floor() + 1) / 16 - 2
    weights = torch.randn(points, generator=generator)
    return value, shapes, places / sizes, weights


def results(run, inputs: tuple, dtype: torch.dtype | None = None) -> list[Tensor]:
    """Output and gradients to values, locations and weights, in ``dtype``."""
    tensors = [x if dtype is None else x.to(dtype) for x in inputs if isinstance(x, Tensor)]
    value, places, weights = (x.detach().requires_grad_() for x in tensors)
    output = run(value, inputs[1], places, weights)
    slope = torch.linspace(-9, 9, output.numel()).sin().view_as(output)
    slope = slope.to(inputs[0].dtype).to(output)
    return [output, *torch.autograd.grad(output, [value, places, weights], slope)]


@interpreted
@settings(max_examples=12, deadline=None)
@given(cases())
def test_float32_equals_pytorch(case):
    inputs = inputs_of(case, torch.float32)
    found = results(layer.run_triton, inputs)
    expected = results(layer.sample_and_sum, inputs, torch.float64)
    for x, wanted, bound in zip(found, expected, (1e-5, 1e-4, 1e-4, 1e-4), strict=True):
        torch.testing.assert_close(x, wanted.float(), rtol=bound, atol=bound)


@interpreted
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(dtype):
    """Only the output and the gradient of the values are rounded, once each."""
    case = dict(batch=1, heads=2, points=2, queries=35, channels=8, seed=0)
    inputs = inputs_of(case | dict(shapes=[(5, 6), (1, 1)]), dtype)
    found = results(layer.run_triton, inputs)
    expected = results(layer.sample_and_sum, inputs, torch.float64)
    assert [x.dtype for x in found] == [dtype, dtype, torch.float32, torch.float32]
    # The interpreter cuts bits of bfloat16 off, where a GPU rounds.
    rounding = torch.finfo(dtype).eps / (1 if dtype == torch.bfloat16 else 2)
    for x, wanted, bound in zip(found, expected, (rounding, rounding, 1e-5, 1e-5), strict=True):
        torch.testing.assert_close(x.double(), wanted, rtol=1.01 * bound, atol=1e-5)


@interpreted
def test_inputs_that_are_not_contiguous():
    case = dict(batch=2, heads=2, points=2, queries=3, channels=4, seed=1, shapes=[(2, 3)])
    inputs = inputs_of(case, torch.float32)
    turned = [
        x.transpose(0, 1).contiguous().transpose(0, 1) if isinstance(x, Tensor) else x
        for x in inputs
    ]
    for x, wanted in zip(
        results(layer.run_triton, tuple(turned)), results(layer.sample_and_sum, inputs)
    ):
        torch.testing.assert_close(x, wanted, rtol=1e-4, atol=1e-4)


@interpreted
@pytest.mark.parametrize('wrong', [dict(heads=3), dict(shapes=[(2, 2)]), dict(batch=2)])
def test_shapes_that_do_not_fit(wrong):
    case = dict(batch=1, heads=2, points=2, queries=3, channels=4, seed=1, shapes=[(2, 3)])
    value, shapes, places, weights = inputs_of(case, torch.float32)
    others = inputs_of(case | wrong, torch.float32)
    with pytest.raises(ValueError, match='do not fit levels'):
        layer.run_triton(others[0], shapes, places, weights)


@interpreted
def test_first_use_compares_with_pytorch(monkeypatch, caplog):
    cpu, warnings = torch.device('cpu'), []
    monkeypatch.setattr(layer, 'warn', warnings.append)
    check = layer._triton_works.__wrapped__
    with torch.inference_mode():
        assert check(cpu, torch.float32, 32)
    assert check(cpu, torch.bfloat16, 32)
    assert not warnings
    for wrong, told in (
        (lambda value, *others: 1.1 * layer.sample_and_sum(value, *others), 'its results differ'),
        (lambda *inputs: 1 / 0, 'ZeroDivisionError: division by zero'),
    ):
        monkeypatch.setattr(layer, 'run_triton', wrong)
        assert not check(cpu, torch.float32, 4)
        assert told in warnings[-1]


@interpreted
def test_first_use_in_a_recomputed_layer(monkeypatch):
    """The comparison saves tensors too; the layer must not count them."""
    monkeypatch.setattr(layer, 'kernels_on', lambda device: ('Triton', 'PyTorch'))
    warnings = []
    monkeypatch.setattr(layer, 'warn', warnings.append)
    layer._triton_works.cache_clear()
    case = dict(batch=1, heads=1, points=1, queries=2, channels=4, seed=1, shapes=[(2, 3)])
    inputs = inputs_of(case, torch.float32)

    def recomputed(*inputs):
        return checkpoint(layer.multi_scale_deformable_attention, *inputs, use_reentrant=False)

    for x, wanted in zip(results(recomputed, inputs), results(layer.sample_and_sum, inputs)):
        torch.testing.assert_close(x, wanted, rtol=1e-4, atol=1e-4)
    assert layer._triton_works.cache_info().misses == 1
    assert not warnings
