"""Sum weighted samples of several maps in one Triton kernel, forward and backward.

Products and sums are float32 for all types of inputs. Samples are not gathered first, so nothing
of their size is stored for the backward pass. Source: Zhu et al., Deformable DETR, Eq. (3).
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

_QUERIES_PER_PROGRAM = 32


def sample_and_sum(value: Tensor, levels: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    """Compute :func:`.deformable_sampling.multi_scale_deformable_attention`.

    Args:
        value: (B, S, H, D) float32, float16 or bfloat16.
        levels: (levels, 3) int32 on the same device: height, width and first cell of each.
        locations: (B, Q, H, levels, points, 2).
        weights: (B, Q, H, levels, points).

    Returns:
        (B, Q, H * D) of the type of ``value``.
    """
    return _SampleAndSum.apply(value, levels, locations, weights)


class _SampleAndSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, value: Tensor, levels: Tensor, locations: Tensor, weights: Tensor
    ) -> Tensor:
        inputs = [x.contiguous() for x in (value, levels, locations, weights)]
        ctx.save_for_backward(*inputs)
        output = value.new_empty(*weights.shape[:3], value.shape[3])
        _launch(_forward, inputs, output)
        return output.flatten(2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs = value, _, locations, weights = ctx.saved_tensors
        of_value = torch.zeros_like(value, dtype=torch.float32)
        of_places, of_weights = torch.empty_like(locations), torch.empty_like(weights)
        _launch(_backward, inputs, gradient.contiguous(), of_value, of_places, of_weights)
        return of_value.to(value.dtype), None, of_places, of_weights


def _launch(kernel: Any, inputs: list[Tensor] | tuple[Tensor, ...], *others: Tensor) -> None:
    """Run one program for each head of each element and block of queries."""
    value, _, _, weights = inputs
    batch, queries, heads, levels, points = weights.shape
    cells, channels = value.shape[1], value.shape[3]
    block = min(_QUERIES_PER_PROGRAM, triton.next_power_of_2(queries))
    programs = batch * heads * triton.cdiv(queries, block)
    with torch.cuda.device_of(value):
        kernel[(programs,)](
            *inputs,
            *others,
            cells,
            queries,
            heads,
            LEVELS=levels,
            POINTS=points,
            CHANNELS=channels,
            WIDTH=triton.next_power_of_2(channels),
            QUERIES=block,
        )


@triton.jit
def _program(queries, heads, QUERIES: tl.constexpr):
    """Return the element, the head, the queries and the first (element, query, head) of each."""
    blocks = tl.cdiv(queries, QUERIES)
    program = tl.program_id(0)
    head = program // blocks % heads
    element = (program // blocks // heads).to(tl.int64)
    query = program % blocks * QUERIES + tl.arange(0, QUERIES)
    return element, head, query < queries, (element * queries + query) * heads + head


@triton.jit
def _level(levels, level, element, head, cells, heads, CHANNELS: tl.constexpr):
    """Return the height and width of a level, and where its cells begin."""
    height, width = tl.load(levels + 3 * level), tl.load(levels + 3 * level + 1)
    start = tl.load(levels + 3 * level + 2)
    return height, width, ((element * cells + start) * heads + head) * CHANNELS


@triton.jit
def _place(locations, places, present, height, width):
    """Return the corner above and left of each location in cells, and the parts beyond it."""
    x = tl.load(locations + 2 * places, mask=present, other=0).to(tl.float32) * width - 0.5
    y = tl.load(locations + 2 * places + 1, mask=present, other=0).to(tl.float32) * height - 0.5
    left, top = tl.floor(x), tl.floor(y)
    return left, top, x - left, y - top


@triton.jit
def _cell(column, row, height, width, present):
    """Return the numbers of cells within the level, and whether they are inside it."""
    inside = present & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return tl.where(inside, row * width + column, 0).to(tl.int32), inside


@triton.jit
def _forward(
    value, levels, locations, weights, output, cells, queries, heads,
    LEVELS: tl.constexpr, POINTS: tl.constexpr, CHANNELS: tl.constexpr, WIDTH: tl.constexpr,
    QUERIES: tl.constexpr,
):  # fmt: skip
    element, head, present, first = _program(queries, heads, QUERIES)
    channel = tl.arange(0, WIDTH)
    total = tl.zeros((QUERIES, WIDTH), tl.float32)
    for level in range(LEVELS):
        height, width, start = _level(levels, level, element, head, cells, heads, CHANNELS)
        for point in tl.static_range(POINTS):
            places = (first * LEVELS + level) * POINTS + point
            left, top, right_part, lower_part = _place(locations, places, present, height, width)
            weight = tl.load(weights + places, mask=present, other=0).to(tl.float32)
            for corner in tl.static_range(4):
                of_x = right_part if corner % 2 else 1 - right_part
                of_y = lower_part if corner // 2 else 1 - lower_part
                cell, inside = _cell(left + corner % 2, top + corner // 2, height, width, present)
                pointers = value + start + cell[:, None] * heads * CHANNELS + channel[None]
                known = inside[:, None] & (channel < CHANNELS)[None]
                samples = tl.load(pointers, mask=known, other=0).to(tl.float32)
                total += (weight * of_x * of_y)[:, None] * samples
    pointers = output + first[:, None] * CHANNELS + channel[None]
    known = present[:, None] & (channel < CHANNELS)[None]
    tl.store(pointers, total.to(output.dtype.element_ty), mask=known)


@triton.jit
def _backward(
    value, levels, locations, weights, gradient, of_value, of_places, of_weights,
    cells, queries, heads,
    LEVELS: tl.constexpr, POINTS: tl.constexpr, CHANNELS: tl.constexpr, WIDTH: tl.constexpr,
    QUERIES: tl.constexpr,
):  # fmt: skip
    element, head, present, first = _program(queries, heads, QUERIES)
    channel = tl.arange(0, WIDTH)
    known = present[:, None] & (channel < CHANNELS)[None]
    pointers = gradient + first[:, None] * CHANNELS + channel[None]
    slope = tl.load(pointers, mask=known, other=0).to(tl.float32)
    for level in range(LEVELS):
        height, width, start = _level(levels, level, element, head, cells, heads, CHANNELS)
        for point in tl.static_range(POINTS):
            places = (first * LEVELS + level) * POINTS + point
            left, top, right_part, lower_part = _place(locations, places, present, height, width)
            weight = tl.load(weights + places, mask=present, other=0).to(tl.float32)
            of_weight = tl.zeros((QUERIES,), tl.float32)
            along_x = tl.zeros((QUERIES,), tl.float32)
            along_y = tl.zeros((QUERIES,), tl.float32)
            for corner in tl.static_range(4):
                of_x = right_part if corner % 2 else 1 - right_part
                of_y = lower_part if corner // 2 else 1 - lower_part
                cell, inside = _cell(left + corner % 2, top + corner // 2, height, width, present)
                offsets = start + cell[:, None] * heads * CHANNELS + channel[None]
                known = inside[:, None] & (channel < CHANNELS)[None]
                samples = tl.load(value + offsets, mask=known, other=0).to(tl.float32)
                product = tl.sum(samples * slope, axis=1)
                of_weight += of_x * of_y * product
                along_x += of_y * product if corner % 2 else -of_y * product
                along_y += of_x * product if corner // 2 else -of_x * product
                share = (weight * of_x * of_y)[:, None] * slope
                tl.atomic_add(of_value + offsets, share, mask=known, sem='relaxed')
            kind = of_places.dtype.element_ty
            tl.store(of_places + 2 * places, (weight * width * along_x).to(kind), mask=present)
            tl.store(of_places + 2 * places + 1, (weight * height * along_y).to(kind), mask=present)
            tl.store(of_weights + places, of_weight.to(of_weights.dtype.element_ty), mask=present)
