"""Sum weighted samples of several maps, with the first kernel that takes the inputs."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from mmcv.ops import multi_scale_deform_attn
from torch import Tensor
from torch.autograd.function import once_differentiable

from r2vos_mm.utils.kernels import kernels_on
from r2vos_mm.utils.logging import warn

from .caching import cache_tensors, is_compiling, is_exporting
from .recompute import recompute

Shapes = list[tuple[int, int]]


def sample_and_sum(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Sum weighted samples of several maps, level by level.

    MMCV stacks the samples of all levels before it weights and sums them. Without the stack this
    takes 0.76 of the time without gradients (45x80 to 6x10 cells, one thread).

    Args:
        value: (B, S, H, D), S the cells of all levels and H heads.
        shapes: per level (h, w).
        locations: (B, Q, H, levels, points, 2) x and y in [0, 1].
        weights: (B, Q, H, levels, points).

    Returns:
        (B, Q, H * D).
    """
    batch, _, heads, channels = value.shape
    grids = (2 * locations - 1).permute(3, 0, 2, 1, 4, 5).flatten(1, 2)  # levels, BH, Q, points, 2
    weights = weights.permute(3, 0, 2, 1, 4).flatten(1, 2)[:, :, None]  # levels, BH, 1, Q, points
    levels = value.permute(0, 2, 3, 1).flatten(0, 1).split([h * w for h, w in shapes], -1)
    total = value.new_zeros(())
    for cells, shape, grid, weight in zip(levels, shapes, grids, weights, strict=True):
        samples = F.grid_sample(cells.unflatten(-1, shape), grid, align_corners=False)
        total = total + (samples * weight).sum(-1)  # (BH, D, Q)
    return total.view(batch, heads * channels, -1).transpose(1, 2)


def gather_and_sum(
    value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor, *, with_cp: bool = False
) -> Tensor:
    """Do what :func:`sample_and_sum` does in a fifth of its time without gradients, on a CPU.

    A query is the sum of the four cells around each of its samples, a bag of weighted rows of the
    values. The batch is computed element by element, which ``with_cp`` also recomputes one by one.
    """
    layout = _layout(tuple(shapes), value.shape[2], weights.shape[-1], value.device)
    if torch.is_grad_enabled():
        # Rounded as by grid_sample: slopes jump at cells, on which all samples lie at first.
        locations = (2 * locations - 1 + 1) / 2
    elements = zip(value, locations.flatten(2), weights.flatten(2), strict=True)
    return torch.stack([recompute(_gather, x, shapes, layout, when=with_cp) for x in elements])


def _gather(inputs: Sequence[Tensor], shapes: Shapes, layout: '_Layout') -> Tensor:
    """Sum the cells of one element of the batch, some queries at a time without gradients.

    What these take fits into the cache of a core.
    """
    rows, *samples = inputs
    table, queries = _with_borders(rows, shapes), 512
    if torch.is_grad_enabled():
        queries = max(len(samples[0]), 1)
    summed = []
    for some in zip(*(x.split(queries) for x in samples), strict=True):
        index, share = layout.corners(*some)
        summed.append(_SumOfRows.apply(table, index, share))
    return torch.cat(summed).view(-1, rows[0].numel())


class _SumOfRows(torch.autograd.Function):
    """Sum weighted rows of a table; the backward pass of ``embedding_bag`` takes more of all.

    It copies the gradient for each row of each bag at once and sorts the rows.
    """

    @staticmethod
    def forward(context: Any, table: Tensor, index: Tensor, share: Tensor) -> Tensor:
        """(R, D) table, (N, K) rows of it and their shares -> (N, D)."""
        context.save_for_backward(table, index, share)
        return F.embedding_bag(index, table, per_sample_weights=share, mode='sum')

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, Tensor]:
        """Return the gradients of the table and the shares, some bags at a time."""
        table, *inputs = context.saved_tensors
        of_table, of_shares = torch.zeros_like(table), []
        for index, share, some in zip(*(x.split(128) for x in (*inputs, gradient)), strict=True):
            with torch.autocast(gradient.device.type, enabled=False):
                of_shares.append((F.embedding(index, table) @ some[..., None]).squeeze(-1))
            rows = (share[..., None] * some[:, None]).flatten(0, 1)
            places = index.flatten().long()[:, None].expand_as(rows)
            of_table.scatter_add_(0, places, rows)
        return of_table, None, torch.cat(of_shares)


def _with_borders(rows: Tensor, shapes: Shapes) -> Tensor:
    """Surround each level of (S, H, D) by zeros; return the rows of all, (S' * H, D).

    They are a cell wide, and two below and to the right: a sample beyond the map reads only zeros.
    """
    levels = rows.flatten(1).split([h * w for h, w in shapes])
    levels = [x.unflatten(0, shape) for x, shape in zip(levels, shapes, strict=True)]
    bordered = torch.cat([F.pad(x, (0, 0, 1, 2, 1, 2)).flatten(0, 1) for x in levels])
    return bordered.view(-1, rows.shape[-1])


@dataclass(frozen=True)
class _Layout:
    """Where the cells of a table with borders are, for each of the N samples of a query.

    N is heads * levels * points. Inner loops over N numbers are several times faster than loops
    over the two axes of a location. Rows are computed in float32, which counts to 2**24.
    """

    heads: int
    extents: Tensor  # (N * 2,) width and height of the level
    first: Tensor  # (N,) row of the level's first cell inside the border
    pitch: Tensor  # (N,) rows from a cell to that below

    def corners(self, locations: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows and shares of the four cells around the samples of each query and head.

        Args:
            locations: (Q, N * 2) x and y in [0, 1].
            weights: (Q, N).

        Returns:
            Two tensors (Q * heads, 4 * levels * points).
        """
        places = (locations * self.extents - 0.5).clamp(min=-1)
        places = torch.minimum(places, self.extents)
        low = places.detach().floor()
        x, y = low.unflatten(-1, (-1, 2)).unbind(-1)
        cell = torch.addcmul(self.first + self.heads * x, y, self.pitch).int()
        below = cell + self.pitch.int()
        x, y = (places - low).unflatten(-1, (-1, 2)).unbind(-1)
        lower = weights * y
        upper = weights - lower
        upper_right, lower_right = upper * x, lower * x
        rows = cell, cell + self.heads, below, below + self.heads
        shares = upper - upper_right, upper_right, lower - lower_right, lower_right
        return self._by_head(rows), self._by_head(shares)

    def _by_head(self, corners: Sequence[Tensor]) -> Tensor:
        parts = [x.reshape(len(x) * self.heads, -1) for x in corners]
        return torch.cat(parts, dim=1)


@cache_tensors(maxsize=64)
def _layout(
    shapes: tuple[tuple[int, int], ...], heads: int, points: int, device: torch.device
) -> _Layout:
    """Return the layout of a table."""
    with torch.inference_mode(False):
        sizes = torch.tensor(shapes, device=device)
        cells = (sizes + 3).prod(1)
        pitch = ((sizes[:, 1] + 3) * heads).expand(heads, -1)
        first = (cells.cumsum(0) - cells + 1) * heads + torch.arange(heads, device=device)[:, None]
        first = first + pitch
        extents = sizes.flip(1)[:, None].expand(heads, -1, points, -1)
        first, pitch = (x.repeat_interleave(points, dim=1) for x in (first, pitch))
        return _Layout(heads, *(x.flatten().float() for x in (extents, first, pitch)))


def gather_corners(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Do what :func:`sample_and_sum` does with plain gathers, for exported models.

    Runtimes disagree on ``grid_sample`` (TensorRT compiles deformable attention made of it to
    wrong results without an error), but not on gathers. One corner of one level is gathered at a
    time, which bounds the memory.
    """
    batch, _, heads, channels = value.shape
    levels = value.transpose(1, 2).flatten(0, 1).split([h * w for h, w in shapes], 1)
    total = value.new_zeros(())
    for level, (height, width) in enumerate(shapes):
        x = locations[:, :, :, level, :, 0].transpose(1, 2).flatten(0, 1) * width - 0.5
        y = locations[:, :, :, level, :, 1].transpose(1, 2).flatten(0, 1) * height - 0.5
        weight = weights[:, :, :, level].transpose(1, 2).flatten(0, 1)  # (BH, Q, points)
        for row, share_y in _neighbours(y, height):
            for column, share_x in _neighbours(x, width):
                index = (row * width + column).flatten(1)[..., None].expand(-1, -1, channels)
                cells = levels[level].gather(1, index).unflatten(1, weight.shape[1:])
                share = (weight * share_y * share_x)[..., None, :]  # (BH, Q, 1, points)
                total = total + (share @ cells).squeeze(-2)
    return total.unflatten(0, (batch, heads)).transpose(1, 2).flatten(2)


def _neighbours(places: Tensor, extent: int) -> list[tuple[Tensor, Tensor]]:
    """Return the two cells around each place along an axis, and their bilinear shares."""
    low = places.floor()
    pairs = (low, low + 1 - places), (low + 1, places - low)
    return [
        (cell.clamp(0, extent - 1).long(), share * ((cell >= 0) & (cell < extent)))
        for cell, share in pairs
    ]


def run_triton(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """As :func:`sample_and_sum`, in one kernel that sums in float32.

    Raises:
        ValueError: the shapes do not fit each other; a kernel would read beyond its inputs.
    """
    from . import triton_deformable_attention as kernel

    cells = sum(height * width for height, width in shapes)
    expected = (len(value), weights.shape[1], value.shape[2], len(shapes), weights.shape[-1])
    if value.shape[1] != cells or weights.shape != expected or locations.shape != (*expected, 2):
        raise ValueError(
            f'value {tuple(value.shape)}, locations {tuple(locations.shape)} and weights '
            f'{tuple(weights.shape)} do not fit levels of {shapes}'
        )
    return kernel.sample_and_sum(value, _table(tuple(shapes), value.device), locations, weights)


def run_mmcv(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """As :func:`sample_and_sum`, in MMCV's kernel, some elements of the batch at a time."""
    function = multi_scale_deform_attn.MultiScaleDeformableAttnFunction
    layout, batch = level_sizes(tuple(shapes), value.device), len(value)
    step = next(k for k in range(min(batch, 64), 0, -1) if batch % k == 0)
    return function.apply(value, *layout, locations, weights, step)


def _triton_takes(value: Tensor, needs_gradient: bool) -> bool:
    """Return whether the kernel has the type, works, and may add gradients in any order."""
    types = torch.float32, torch.float16, torch.bfloat16
    if value.dtype not in types or (
        needs_gradient and torch.are_deterministic_algorithms_enabled()
    ):
        return False
    return _triton_works(value.device, value.dtype, value.shape[-1])


def _mmcv_takes(value: Tensor, needs_gradient: bool) -> bool:
    """Return whether MMCV compiled the kernel for the type."""
    compiled = multi_scale_deform_attn.IS_CUDA_AVAILABLE
    return compiled and value.dtype in (torch.float32, torch.float16)


class Kernel(NamedTuple):
    """A form of :func:`multi_scale_deformable_attention`, and the inputs that it takes.

    Attributes:
        takes: of values on a device of :func:`kernels_on`, and whether a gradient is needed.
        run: the function itself.
    """

    takes: Callable[[Tensor, bool], bool]
    run: Callable[[Tensor, Shapes, Tensor, Tensor], Tensor]


KERNELS = {
    'Triton': Kernel(_triton_takes, run_triton),
    'MMCV': Kernel(_mmcv_takes, run_mmcv),
    'PyTorch': Kernel(lambda value, needs_gradient: True, sample_and_sum),
}


def multi_scale_deformable_attention(
    value: Tensor,
    shapes: Shapes,
    locations: Tensor,
    weights: Tensor,
    *,
    with_cp: bool = False,
) -> Tensor:
    """Sum weighted samples of several maps with the first of :data:`KERNELS` that takes them.

    Arguments and result are those of :func:`sample_and_sum`; locations outside of a map sample
    zeros. Compiled models use PyTorch, whose operators the compiler can fuse, and so do all with
    the environment variable ``R2VOS_NO_KERNELS=1``; exported models use :func:`gather_corners`.
    ``with_cp`` recomputes the samples of PyTorch in the backward pass; kernels keep none.
    """
    name, inputs = _choose(value, locations, weights), (value, shapes, locations, weights)
    if is_exporting():
        return gather_corners(*inputs)
    if name != 'PyTorch':
        return KERNELS[name].run(*inputs)
    # Its backward pass takes longer, so that it pays where the forward pass counts more.
    if (with_cp or not torch.is_grad_enabled()) and _can_gather(value, locations, weights):
        return gather_and_sum(*inputs, with_cp=with_cp)
    return recompute(KERNELS[name].run, *inputs, when=with_cp)


def _choose(*inputs: Tensor) -> str:
    """Return the name of the kernel for a value, locations and weights."""
    if is_compiling() or torch.jit.is_tracing():
        return 'PyTorch'
    value = inputs[0]
    needs_gradient = torch.is_grad_enabled() and any(x.requires_grad for x in inputs)
    names = kernels_on(value.device)
    return next(name for name in names if KERNELS[name].takes(value, needs_gradient))


def _can_gather(*inputs: Tensor) -> bool:
    """Return whether :func:`gather_and_sum` takes the inputs; a compiler unrolls its loop."""
    if is_compiling() or torch.jit.is_tracing():
        return False
    cells, heads = inputs[0].shape[1:3]
    if cells * heads > 1 << 22:  # with borders, more than float32 counts
        return False
    return all(x.device.type == 'cpu' and x.dtype == torch.float32 for x in inputs)


@cache_tensors(maxsize=64)
def level_sizes(shapes: tuple[tuple[int, int], ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the sizes of the levels (levels, 2) and the first cell of each as tensors."""
    with torch.inference_mode(False):
        sizes = torch.tensor(shapes, device=device)
        cells = sizes.prod(1)
        return sizes, cells.cumsum(0) - cells


@cache_tensors(maxsize=64)
def _table(shapes: tuple[tuple[int, int], ...], device: torch.device) -> Tensor:
    """Return height, width and first cell of the levels, (levels, 3) int32."""
    with torch.inference_mode(False):
        sizes, first = level_sizes(shapes, device)
        return torch.cat([sizes, first[:, None]], 1).int()


@lru_cache
def _triton_works(device: torch.device, dtype: torch.dtype, channels: int) -> bool:
    """Compare Triton's kernel with PyTorch on a small input; warn if it fails or differs."""
    # In a thread of its own, autocast, inference mode and a layer that is recomputed do not matter.
    with ThreadPoolExecutor(1) as pool:
        problem = pool.submit(_problem_of_triton, device, dtype, channels).result()
    if problem:
        warn(f'The Triton kernel of deformable attention is not used on {device}: {problem}')
    return problem is None


def _problem_of_triton(device: torch.device, dtype: torch.dtype, channels: int) -> str | None:
    try:
        inputs = _small_inputs(device, dtype, channels)
        found, expected = (_results(run, *inputs) for run in (run_triton, _sum_in_float32))
        bound = 1e-4 if dtype == torch.float32 else 0.02
        is_equal = all(_differ_by(*pair) <= bound for pair in zip(found, expected))
        return None if is_equal else 'its results differ'
    except Exception as error:  # compilers and drivers raise errors of all kinds
        return f'{type(error).__name__}: {error}'.splitlines()[0]


def _differ_by(found: Tensor, expected: Tensor) -> float:
    """Return the largest error, relative to the largest value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


def _sum_in_float32(value: Tensor, *others: Any) -> Tensor:
    return sample_and_sum(value.float(), *others)


def _small_inputs(device: torch.device, dtype: torch.dtype, channels: int) -> tuple:
    """Return values of a map of 3 x 4 cells and one of 1 x 1, locations and weights."""
    shapes = [(3, 4), (1, 1)]
    value = torch.linspace(0, 90, 13 * 2 * channels, device=device).sin()
    value = value.view(1, 13, 2, channels).to(dtype).requires_grad_()
    places = torch.linspace(-0.21, 1.23, 5 * 2 * 2 * 3 * 2, device=device)
    places = places.view(1, 2, 2, 3, 5, 2).permute(0, 4, 1, 2, 3, 5)
    places = places.contiguous().requires_grad_()
    weights = places.detach().sum(-1).requires_grad_()
    return value, shapes, places, weights


def _results(run: Callable, *inputs: Any) -> list[Tensor]:
    """Return the output of a kernel and its gradients, as float32."""
    output = run(*inputs).float()
    tensors = [x for x in inputs if isinstance(x, Tensor)]
    gradients = torch.autograd.grad(output.square().sum(), tensors)
    return [x.float() for x in (output, *gradients)]
