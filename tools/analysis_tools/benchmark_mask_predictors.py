"""Measure time and memory of the mask predictors, including a naive dynamic one.

    python tools/analysis_tools/benchmark_mask_predictors.py --frames 5 --size 360 640

The naive implementation repeats the mask features for every query, concatenates a map of relative
coordinates to each copy and applies grouped convolutions. ``extra memory`` is the peak memory of a
forward pass without its input (measured by PyTorch's profiler on a CPU, by CUDA's allocator on a
GPU).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from r2vos_mm.utils.cli import parser_of, positive, short_errors

if TYPE_CHECKING:
    from torch import Tensor

    from r2vos_mm.models.heads import DynamicMaskPredictor

_MIB = 1 << 20
HEADER = '| predictor | forward | forward and backward | extra memory |\n|---|---|---|---|'


@dataclass(frozen=True)
class Inputs:
    """Arguments of a mask predictor: queries, mask features, references in pixels."""

    queries: Tensor
    mask_features: Tensor
    references: Tensor

    @classmethod
    def random(
        cls,
        *,
        pairs: int,
        frames: int,
        queries: int,
        channels: int,
        size: tuple[int, int],
        device: str,
    ) -> Inputs:
        """Return noise for frames of ``size`` pixels, mask features of stride 4."""
        import torch

        height, width = size
        generator = torch.Generator().manual_seed(0)
        features = torch.randn(
            pairs, frames, channels, -(-height // 4), -(-width // 4), generator=generator
        )
        vectors = torch.randn(pairs, frames, queries, channels, generator=generator)
        points = torch.rand(pairs, frames, queries, 2, generator=generator)
        return cls(
            vectors.to(device).requires_grad_(),
            features.to(device).requires_grad_(),
            (points * torch.tensor([width, height])).to(device),
        )


def naive_masks(predictor: DynamicMaskPredictor, inputs: Inputs) -> Tensor:
    """Compute the masks of ``predictor`` with a copy of the features per query.

    Returns:
        Mask logits (P, T, N, h, w).
    """
    import torch
    import torch.nn.functional as F

    parts = predictor.controller(inputs.queries).flatten(0, 2).split(predictor.parts, dim=-1)
    queries, hidden, stride = len(parts[0]), predictor.hidden, predictor.stride
    copies = inputs.mask_features[:, :, None].expand(-1, -1, inputs.queries.shape[2], -1, -1, -1)
    height, width = copies.shape[-2:]
    rows = stride * torch.arange(height, device=copies.device) + stride // 2
    columns = stride * torch.arange(width, device=copies.device) + stride // 2
    cells = torch.stack((columns.expand(height, -1), rows[:, None].expand(-1, width)))
    relative = inputs.references[..., None, None] - cells
    maps = torch.cat((copies, relative), dim=3).reshape(1, -1, height, width)
    for index, outputs in enumerate((hidden, hidden, 1)):
        weight = parts[index].reshape(queries * outputs, -1, 1, 1)
        maps = F.conv2d(maps, weight, parts[index + 3].flatten(), groups=queries)
        maps = maps.relu() if index < 2 else maps
    return maps.reshape(*inputs.queries.shape[:3], height, width)


def seconds(function: Callable[[], object], *, repeats: int, device: str) -> float:
    """Return the median time of a call after a warm-up call."""
    import torch

    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function()
        if torch.device(device).type == 'cuda':
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def peak_bytes(function: Callable[[], object], *, device: str) -> int:
    """Return the peak number of bytes that a call allocates."""
    import torch

    if torch.device(device).type == 'cuda':
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        function()
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(profile_memory=True) as profile:
        function()
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == '[memory]':
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def row(name: str, predict: Callable[[], Tensor], *, repeats: int, device: str) -> str:
    """Measure one predictor and return its row of the table."""
    import torch

    @torch.no_grad()
    def forward() -> None:
        predict()

    forward_time = seconds(forward, repeats=repeats, device=device)
    both = seconds(lambda: predict().sum().backward(), repeats=repeats, device=device)
    memory = peak_bytes(forward, device=device)
    return (
        f'| {name} | {1e3 * forward_time:.1f} ms | {1e3 * both:.1f} ms | {memory / _MIB:.0f} MiB |'
    )


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument(
        '--size', type=positive(int), nargs=2, default=[360, 640], metavar=('H', 'W')
    )
    default = '(default: %(default)s)'
    parser.add_argument('--pairs', type=positive(int), default=1, help=default)
    parser.add_argument('--frames', type=positive(int), default=5, help=default)
    parser.add_argument('--queries', '--slots', type=positive(int), default=5, help=default)
    parser.add_argument('--channels', type=positive(int), default=256, help=default)
    parser.add_argument('--repeats', type=positive(int), default=5, help=default)
    parser.add_argument('--threads', type=positive(int), help="(default: PyTorch's)")
    parser.add_argument('--device', default='auto', help=default)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(arguments)
    with short_errors(args.debug):
        print_table(args)


def print_table(args: argparse.Namespace) -> None:
    """Measure all predictors and print a table."""
    import torch

    from r2vos_mm.apis.model_loading import checked_device
    from r2vos_mm.models.heads import DynamicMaskPredictor, LinearMaskPredictor

    args.device = checked_device(args.device)
    torch.set_num_threads(args.threads or torch.get_num_threads())
    torch.manual_seed(0)
    inputs = Inputs.random(
        pairs=args.pairs,
        frames=args.frames,
        queries=args.queries,
        channels=args.channels,
        size=tuple(args.size),
        device=args.device,
    )
    dynamic = DynamicMaskPredictor(args.channels).to(args.device)
    linear = LinearMaskPredictor(args.channels).to(args.device)
    tensors = (inputs.queries, inputs.mask_features, inputs.references)
    options = dict(repeats=args.repeats, device=args.device)
    print(HEADER)
    print(row('linear', lambda: linear(*tensors), **options))
    print(row('dynamic', lambda: dynamic(*tensors), **options))
    print(row('dynamic, naive form', lambda: naive_masks(dynamic, inputs), **options))


if __name__ == '__main__':
    main()
