"""Deformable attention and the kernels of its core."""

import pytest
import torch
from mmcv.ops import MultiScaleDeformableAttention
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

from r2vos_mm.models.layers import deformable_sampling as layer
from r2vos_mm.models.layers.deformable_attention import DeformableAttention
from r2vos_mm.models.layers.deformable_sampling import (
    KERNELS,
    Kernel,
    gather_corners,
    multi_scale_deformable_attention,
    sample_and_sum,
)


def test_a_sample_between_four_cells_is_their_mean():
    """At x = 0.5, y = 0.5 of a map of 2 x 2 cells lie all four; outside of the map is zero."""
    value = torch.tensor([1.0, 2.0, 3.0, 6.0]).view(1, 4, 1, 1)
    locations = torch.tensor([[0.5, 0.5], [0.25, 0.75], [-0.25, 0.25]]).view(1, 1, 1, 1, 3, 2)
    weights = torch.tensor([1.0, 10.0, 100.0]).view(1, 1, 1, 1, 3)
    # 1 * (1 + 2 + 3 + 6) / 4 + 10 * 3 + 100 * 0
    assert sample_and_sum(value, [(2, 2)], locations, weights).item() == pytest.approx(33.0)


def test_gathers_for_exported_models_equal_samples():
    """Locations lie inside, on the border and outside of maps of 5 x 6 and 1 x 1 cells."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(5, 6), (1, 1)]
    value = torch.randn(2, 31, 3, 4, generator=generator)
    locations = torch.rand(2, 7, 3, 2, 5, 2, generator=generator) * 1.6 - 0.3
    locations[0, 0] = torch.linspace(0, 1, 5)[:, None]
    weights = torch.randn(2, 7, 3, 2, 5, generator=generator)
    expected = sample_and_sum(value, shapes, locations, weights)
    found = gather_corners(value, shapes, locations, weights)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('axes', [2, 4])
@pytest.mark.parametrize('padded', [True, False])
def test_same_values_and_gradients_as_mmcv(padded, axes):
    """References are points or boxes; the queries are the cells themselves or others."""
    torch.manual_seed(0)
    shapes = [(5, 6), (3, 3)]
    options = dict(num_heads=2, num_levels=2, num_points=3, dropout=0.0, batch_first=True)
    ours, theirs = (
        kind(16, **options) for kind in (DeformableAttention, MultiScaleDeformableAttention)
    )
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ours.load_state_dict(theirs.state_dict())
    cells, queries = (torch.randn(2, n, 16, requires_grad=True) for n in (39, 7))
    padding = torch.arange(39) >= torch.tensor([[39], [35]]) if padded else None
    for query, value in ((cells, None), (queries, cells)):
        inputs = dict(
            query_pos=torch.linspace(0, 1, 16).expand_as(query),
            value=value,
            key_padding_mask=padding,
            reference_points=torch.rand(2, query.shape[1], 2, axes),
        )
        sizes = torch.tensor(shapes)
        found = ours(query, spatial_shapes=shapes, **inputs)
        expected = theirs(query, spatial_shapes=sizes, level_start_index=None, **inputs)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        found, expected = (
            torch.autograd.grad(x.square().sum(), [query, *module.parameters()])
            for x, module in ((found, ours), (expected, theirs))
        )
        for value, wanted in zip(found, expected, strict=True):
            torch.testing.assert_close(value, wanted, rtol=1e-4, atol=1e-4)


CALL = (
    torch.ones(1, 4, 1, 1),
    [(2, 2)],
    torch.full((1, 1, 1, 1, 1, 2), 0.5),
    torch.ones(1, 1, 1, 1, 1),
)


@pytest.fixture
def gpu(monkeypatch):
    """Pretend that the device has all kernels, and that Triton's works; return what is called."""
    calls = []
    for name, kernel in KERNELS.items():

        def run(*inputs, name=name):
            calls.append(name)
            return sample_and_sum(*inputs)

        monkeypatch.setitem(KERNELS, name, Kernel(kernel.takes, run))
    monkeypatch.setattr(layer, 'kernels_on', lambda device: ('Triton', 'MMCV', 'PyTorch'))
    monkeypatch.setattr(layer, '_triton_works', lambda *inputs: True)
    monkeypatch.setattr(layer.multi_scale_deform_attn, 'IS_CUDA_AVAILABLE', True)
    return calls


def call(dtype=torch.float32, *, learns=False):
    value, shapes, *others = CALL
    value = value.to(dtype).requires_grad_(learns)
    return multi_scale_deformable_attention(value, shapes, *(x.to(dtype) for x in others))


def test_the_first_kernel_that_takes_the_inputs_is_used(gpu, monkeypatch):
    call()
    call(torch.float64)
    monkeypatch.setattr(layer, '_triton_works', lambda *inputs: False)
    call(torch.bfloat16)
    call()
    assert gpu == ['Triton', 'PyTorch', 'PyTorch', 'MMCV']


def test_deterministic_gradients_are_not_summed_by_triton(gpu):
    torch.use_deterministic_algorithms(True)
    try:
        call()
        call(learns=True)
        with torch.no_grad():
            call(learns=True)
    finally:
        torch.use_deterministic_algorithms(False)
    assert gpu == ['Triton', 'MMCV', 'Triton']


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
def test_compiled_and_traced_models_use_pytorch(gpu):
    value, shapes, *others = CALL

    def sample(value):
        return multi_scale_deformable_attention(value, shapes, *others)

    assert torch.jit.trace(sample, value, check_trace=False)(value).item() == 1
    assert set(gpu) == {'PyTorch'}
    torch._dynamo.reset()
    assert torch.compile(sample, backend='eager', fullgraph=True)(value).item() == 1
    assert set(gpu) == {'PyTorch'}


def test_only_samples_of_pytorch_are_recomputed(gpu, monkeypatch):
    asked = []

    def recompute(function, *args, when):
        asked.append(when)
        return function(*args)

    monkeypatch.setattr(layer, 'recompute', recompute)
    for dtype in (torch.float32, torch.float64):
        value, shapes, *others = (x.to(dtype) if isinstance(x, torch.Tensor) else x for x in CALL)
        multi_scale_deformable_attention(value, shapes, *others, with_cp=True)
    assert gpu == ['Triton', 'PyTorch']
    assert asked == [True]


def test_a_cpu_uses_pytorch():
    assert layer.kernels_on('cpu') == ('PyTorch',)
    assert call().item() == 1


def test_mmcv_takes_a_part_of_the_batch_that_divides_it(monkeypatch):
    steps = []

    class Function:
        @staticmethod
        def apply(value, sizes, first, locations, weights, step):
            assert sizes.tolist() == [[2, 2], [1, 3]]
            assert first.tolist() == [0, 4]
            steps.append(step)

    monkeypatch.setattr(layer.multi_scale_deform_attn, 'MultiScaleDeformableAttnFunction', Function)
    for batch in (1, 64, 66, 67):
        layer.run_mmcv(torch.ones(batch, 7, 1, 1), [(2, 2), (1, 3)], None, None)
    assert steps == [1, 64, 33, 1]


@pytest.mark.parametrize('core', [layer.sample_and_sum, layer.gather_and_sum])
@pytest.mark.parametrize('queries', [9, 700])
def test_cores_and_their_gradients_equal_mmcvs(core, queries):
    """Samples inside, on the border and outside of all levels; without gradients in parts."""
    torch.manual_seed(0)
    shapes = [(5, 7), (3, 2), (1, 1)]
    value, locations = torch.randn(2, 42, 3, 4), 1.6 * torch.rand(2, queries, 3, 3, 5, 2) - 0.3
    locations[0, 0, 0, 0] = torch.tensor([0.0, 1.0, 0.5, -9.0, 9.0])[:, None]
    weights = torch.randn(2, queries, 3, 3, 5)
    inputs = [x.requires_grad_() for x in (value, locations, weights)]
    expected = multi_scale_deformable_attn_pytorch(value, torch.tensor(shapes), locations, weights)
    found = core(value, shapes, locations, weights)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(core(value, shapes, locations, weights), found, atol=1e-6)
    slope = torch.linspace(-9, 9, found.numel()).sin().view_as(found)
    for gradient, wanted in zip(
        torch.autograd.grad(found, inputs, slope), torch.autograd.grad(expected, inputs, slope)
    ):
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-4)


def test_float32_is_gathered_and_keeps_only_inputs():
    inputs = (
        torch.rand(1, 6, 1, 2, requires_grad=True),
        [(2, 3)],
        torch.rand(1, 4, 1, 1, 2, 2),
        torch.rand(1, 4, 1, 1, 2),
    )
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.shape) or x, lambda x: x):
        output = layer.multi_scale_deformable_attention(*inputs)
    assert kept == [(1, 6, 1, 2), (1, 4, 4), (1, 4, 2)]
    assert 'GatherAndSum' in output.grad_fn.name()


@pytest.mark.parametrize('needs_gradient', [True, False])
def test_a_location_that_is_nan_is_named(needs_gradient: bool) -> None:
    value, weights = torch.rand(1, 13, 2, 4), torch.rand(1, 5, 2, 2, 3)
    locations = torch.rand(1, 5, 2, 2, 3, 2)
    locations[0, 3, 1, 0, 2, 0] = torch.nan
    with (
        torch.set_grad_enabled(needs_gradient),
        pytest.raises(ValueError, match='location of deformable attention is NaN'),
    ):
        layer.gather_and_sum(value, [(3, 4), (1, 1)], locations, weights)


def test_tables_that_float32_cannot_count_are_not_gathered():
    small, large = (torch.empty(1, 1, 1).expand(1, cells, 8)[..., None] for cells in (9, 1 << 20))
    assert layer._can_gather(small)
    assert not layer._can_gather(large)


def test_gradients_stay_in_float32_under_autocast():
    weights, slope = torch.rand(1, 9, 2, 1, 3, requires_grad=True), torch.randn(1, 9, 8)
    inputs = torch.randn(1, 6, 2, 4), [(2, 3)], torch.rand(1, 9, 2, 1, 3, 2), weights
    (expected,) = torch.autograd.grad(layer.sample_and_sum(*inputs), weights, slope)
    with torch.autocast('cpu', torch.bfloat16):
        (found,) = torch.autograd.grad(layer.gather_and_sum(*inputs), weights, slope)
    torch.testing.assert_close(found, expected)
