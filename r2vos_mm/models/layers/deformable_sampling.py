"""Sum weighted samples of several maps, with the first kernel that takes the inputs."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
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


def gather_and_sum(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Compute :func:`sample_and_sum` in less time and memory, on a CPU in float32.

    A query is the sum of the four cells around each of its samples, a bag of weighted rows of the
    values. Only the inputs are kept for the backward pass.

    Raises:
        ValueError: a location is NaN.
    """
    layout = _layout(tuple(shapes), value.shape[2], weights.shape[-1], value.device)
    if torch.is_grad_enabled():
        # Round as grid_sample does: slopes jump at cells, and at first all samples lie on cells.
        locations = (2 * locations - 1 + 1) / 2
    inputs = value, locations.flatten(2), weights.flatten(2), shapes, layout
    try:
        return _GatherAndSum.apply(*inputs)
    except RuntimeError as error:
        if not locations.isnan().any():
            raise
        raise ValueError(
            'a sampling location of deformable attention is NaN, so the model has diverged before '
            'it: check its weights and inputs, or lower the learning rate'
        ) from error


class _GatherAndSum(torch.autograd.Function):
    """Sum the cells around samples, some queries at a time, which fit into the cache of a core.

    The backward pass of ``embedding_bag`` would copy the gradient for each row of each bag.
    """

    @staticmethod
    def forward(
        context: Any,
        value: Tensor,
        locations: Tensor,
        weights: Tensor,
        shapes: Shapes,
        layout: '_Layout',
    ) -> Tensor:
        """Sum values (B, S, H, D) at locations (B, Q, N * 2) with weights (B, Q, N).

        See :class:`_Layout` for N. Returns (B, Q, H * D).
        """
        context.save_for_backward(value, locations, weights)
        context.shapes, context.layout = shapes, layout
        summed = []
        for rows, *samples in zip(value, locations, weights, strict=True):
            table = _with_borders(rows, shapes)
            for some in _parts(*samples):
                index, share = layout.corners(*some)
                bags = F.embedding_bag(index, table, per_sample_weights=share, mode='sum')
                summed.append(bags.view(len(some[0]), -1))
        return torch.cat(summed).view(*weights.shape[:2], -1)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of values, locations and weights."""
        shapes, elements = context.shapes, zip(*context.saved_tensors, gradient, strict=True)
        with torch.autocast(gradient.device.type, enabled=False):
            found = [_gradients(*element, shapes, context.layout) for element in elements]
        return (*(torch.stack(x) for x in zip(*found, strict=True)), None, None)


def _gradients(
    rows: Tensor,
    locations: Tensor,
    weights: Tensor,
    gradient: Tensor,
    shapes: Shapes,
    layout: '_Layout',
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of one element's rows, locations and weights."""
    table, gradient = _with_borders(rows, shapes), gradient.contiguous()
    of_locations, of_weights, indices, shares = [], [], [], []
    for *samples, some in _parts(locations, weights, gradient):
        index, share = layout.corners(*samples)
        bags = zip(index.split(64), some.view(len(index), -1, 1).split(64), strict=True)
        of_shares = torch.cat([F.embedding(x, table) @ y for x, y in bags]).squeeze(-1)
        of_location, of_weight = layout.gradients(*samples, of_shares)
        of_locations.append(of_location)
        of_weights.append(of_weight)
        indices.append(index)
        shares.append(share)
    of_table = _sum_by_row(torch.cat(indices), torch.cat(shares), gradient, len(table))
    of_rows = _without_borders(of_table, rows, shapes)
    return of_rows, torch.cat(of_locations), torch.cat(of_weights)


def _sum_by_row(index: Tensor, share: Tensor, gradient: Tensor, num_rows: int) -> Tensor:
    """Add the gradient of each bag to its rows: (N, K) rows and shares -> (num_rows, D).

    SciPy's sparse product takes a seventh of the time of ``scatter_add`` in one thread.
    """
    from scipy.sparse import csc_array

    ends = np.arange(0, index.numel() + 1, index.shape[1], dtype=np.int32)
    shares = share.flatten().numpy(), index.flatten().numpy(), ends
    matrix = csc_array(shares, shape=(num_rows, len(index)))
    return torch.from_numpy(matrix @ gradient.view(len(index), -1).numpy())


def _parts(*samples: Tensor) -> Iterator[tuple[Tensor, ...]]:
    return zip(*(x.split(512) for x in samples), strict=True)


def _with_borders(rows: Tensor, shapes: Shapes) -> Tensor:
    """Surround each level of (S, H, D) by zeros; return the rows of all, (S' * H, D).

    They are a cell wide, and two below and to the right: a sample beyond the map reads only zeros.
    """
    levels = rows.flatten(1).split([h * w for h, w in shapes])
    levels = [x.unflatten(0, shape) for x, shape in zip(levels, shapes, strict=True)]
    bordered = torch.cat([F.pad(x, (0, 0, 1, 2, 1, 2)).flatten(0, 1) for x in levels])
    return bordered.view(-1, rows.shape[-1])


def _without_borders(table: Tensor, rows: Tensor, shapes: Shapes) -> Tensor:
    """Undo :func:`_with_borders`."""
    bordered = [(h + 3, w + 3) for h, w in shapes]
    levels = table.view(-1, rows[0].numel()).split([h * w for h, w in bordered])
    levels = [x.unflatten(0, shape) for x, shape in zip(levels, bordered, strict=True)]
    return torch.cat([x[1:-2, 1:-2].flatten(0, 1) for x in levels]).view_as(rows)


@dataclass(frozen=True)
class _Layout:
    """Places of the cells in a table with borders, for each of the N samples of a query.

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
        low, x, y = self._split(locations)
        column, line = low.unflatten(-1, (-1, 2)).unbind(-1)
        cell = torch.addcmul(self.first + self.heads * column, line, self.pitch).int()
        below = cell + self.pitch.int()
        lower = weights * y
        upper = weights - lower
        upper_right, lower_right = upper * x, lower * x
        rows = cell, cell + self.heads, below, below + self.heads
        shares = upper - upper_right, upper_right, lower - lower_right, lower_right
        return self._by_head(rows), self._by_head(shares)

    def gradients(
        self, locations: Tensor, weights: Tensor, of_shares: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the gradients of locations and weights from that of the shares.

        Arguments and results have the shapes of the arguments and results of :meth:`corners`.
        """
        _, x, y = self._split(locations)
        corners = of_shares.unflatten(-1, (4, -1)).unbind(1)
        upper_left, upper_right, lower_left, lower_right = (z.reshape_as(weights) for z in corners)
        upper = torch.lerp(upper_left, upper_right, x)
        lower = torch.lerp(lower_left, lower_right, x)
        of_x = torch.lerp(upper_right - upper_left, lower_right - lower_left, y)
        slopes = torch.stack([of_x, lower - upper], -1).mul_(weights[..., None]).flatten(-2)
        # Beyond the last cell of a map, all rows are zeros; before the first one, some are not.
        slopes *= (locations * self.extents >= -0.5) * self.extents
        return slopes, torch.lerp(upper, lower, y)

    def _split(self, locations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the first cells (Q, N * 2) and the shares of the next ones in x and y (Q, N)."""
        places = (locations * self.extents - 0.5).clamp_(min=-1)
        places = torch.minimum(places, self.extents)
        low = places.floor()
        x, y = (places - low).unflatten(-1, (-1, 2)).unbind(-1)
        return low, x, y

    def _by_head(self, corners: Sequence[Tensor]) -> Tensor:
        parts = [x.reshape(len(x) * self.heads, -1) for x in corners]
        return torch.cat(parts, dim=1)


@cache_tensors(maxsize=64)
def _layout(
    shapes: tuple[tuple[int, int], ...], heads: int, points: int, device: torch.device
) -> _Layout:
    """Return the layout of a table."""
    sizes = torch.tensor(shapes, device=device)
    cells = (sizes + 3).prod(1)
    pitch = ((sizes[:, 1] + 3) * heads).expand(heads, -1)
    first = (cells.cumsum(0) - cells + 1) * heads + torch.arange(heads, device=device)[:, None]
    first = first + pitch
    extents = sizes.flip(1)[:, None].expand(heads, -1, points, -1)
    first, pitch = (x.repeat_interleave(points, dim=1) for x in (first, pitch))
    return _Layout(heads, *(x.flatten().float() for x in (extents, first, pitch)))


def gather_corners(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Compute :func:`sample_and_sum` with plain gathers, for exported models.

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
    """Compute :func:`sample_and_sum` in one kernel that sums in float32.

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
    """Compute :func:`sample_and_sum` in MMCV's kernel, some elements of the batch at a time."""
    function = multi_scale_deform_attn.MultiScaleDeformableAttnFunction
    layout, batch = level_sizes(tuple(shapes), value.device), len(value)
    step = next(k for k in range(min(batch, 64), 0, -1) if batch % k == 0)
    return function.apply(value, *layout, locations, weights, step)


def _triton_takes(value: Tensor, needs_gradient: bool) -> bool:
    """Return whether the kernel supports the type, works, and may add gradients in any order."""
    types = torch.float32, torch.float16, torch.bfloat16
    if value.dtype not in types or (
        needs_gradient and torch.are_deterministic_algorithms_enabled()
    ):
        return False
    return _triton_works(value.device, value.dtype, value.shape[-1])


def _mmcv_takes(value: Tensor, needs_gradient: bool) -> bool:
    """Return whether MMCV has compiled the kernel for the type."""
    compiled = multi_scale_deform_attn.IS_CUDA_AVAILABLE
    return compiled and value.dtype in (torch.float32, torch.float16)


class Kernel(NamedTuple):
    """An implementation of :func:`multi_scale_deformable_attention`, and the inputs that it takes.

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
    ``with_cp`` recomputes the samples of ``grid_sample`` in the backward pass; others keep none.
    """
    name, inputs = _choose(value, locations, weights), (value, shapes, locations, weights)
    if is_exporting():
        return gather_corners(*inputs)
    if name != 'PyTorch':
        return KERNELS[name].run(*inputs)
    if _can_gather(value, locations, weights):
        return gather_and_sum(*inputs)
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
    sizes = torch.tensor(shapes, device=device)
    cells = sizes.prod(1)
    return sizes, cells.cumsum(0) - cells


@cache_tensors(maxsize=64)
def _table(shapes: tuple[tuple[int, int], ...], device: torch.device) -> Tensor:
    """Return height, width and first cell of the levels, (levels, 3) int32."""
    sizes, first = level_sizes(shapes, device)
    return torch.cat([sizes, first[:, None]], 1).int()


@lru_cache
def _triton_works(device: torch.device, dtype: torch.dtype, channels: int) -> bool:
    """Compare Triton's kernel with PyTorch on a small input; warn if it fails or differs."""
    # A separate thread is unaffected by autocast, inference mode and layers that are recomputed.
    with ThreadPoolExecutor(1) as pool:
        problem = pool.submit(_problem_of_triton, device, dtype, channels).result()
    if problem:
        warn(f'The Triton kernel of deformable attention is not used on {device}: {problem}')
    return problem is None


def _problem_of_triton(device: torch.device, dtype: torch.dtype, channels: int) -> str | None:
    try:
        inputs = _small_inputs(device, dtype, channels)
        found, expected = (_results(run, *inputs) for run in (run_triton, _sum_in_float32))
        bound = 1e-4 if dtype == torch.float32 else 0.02  # relative to the largest value
        errors = (((x - y).abs().max() / y.abs().max()).item() for x, y in zip(found, expected))
        return None if all(error <= bound for error in errors) else 'its results differ'
    except Exception as error:  # compilers and drivers raise errors of all kinds
        return f'{type(error).__name__}: {error}'.splitlines()[0]


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
