"""Time and memory of the mask predictors, the dynamic one also in its naive form.

    python tools/analysis_tools/benchmark_mask_predictors.py --frames 5 --size 360 640

The naive form repeats the mask features for every slot, appends a map of relative coordinates to
each copy and runs grouped convolutions. ``extra memory`` is what a forward pass allocates at most
beyond its input, results included (counted by PyTorch's profiler on the CPU, by CUDA's allocator
there).
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

import r2vos_mm  # noqa: F401  (makes the ecosystem importable)
from r2vos_mm.models.heads import DynamicMaskPredictor, LinearMaskPredictor

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
        slots: int,
        channels: int,
        size: tuple[int, int],
        device: str,
    ) -> 'Inputs':
        """Noise for frames of ``size`` pixels, mask features of stride 4."""
        height, width = size
        generator = torch.Generator().manual_seed(0)
        features = torch.randn(
            pairs, frames, channels, -(-height // 4), -(-width // 4), generator=generator
        )
        queries = torch.randn(pairs, frames, slots, channels, generator=generator)
        points = torch.rand(pairs, frames, slots, 2, generator=generator)
        return cls(
            queries.to(device).requires_grad_(),
            features.to(device).requires_grad_(),
            (points * torch.tensor([width, height])).to(device),
        )


def naive_masks(predictor: DynamicMaskPredictor, inputs: Inputs) -> Tensor:
    """What ``predictor`` computes, with one copy of the features per slot and grouped convolutions.

    Returns:
        Mask logits (P, T, N, h, w).
    """
    parts = predictor.controller(inputs.queries).flatten(0, 2).split(predictor.parts, dim=-1)
    slots, hidden, stride = len(parts[0]), predictor.hidden, predictor.stride
    copies = inputs.mask_features[:, :, None].expand(-1, -1, inputs.queries.shape[2], -1, -1, -1)
    height, width = copies.shape[-2:]
    rows = stride * torch.arange(height, device=copies.device) + stride // 2
    columns = stride * torch.arange(width, device=copies.device) + stride // 2
    cells = torch.stack((columns.expand(height, -1), rows[:, None].expand(-1, width)))
    relative = inputs.references[..., None, None] - cells
    maps = torch.cat((copies, relative), dim=3).reshape(1, -1, height, width)
    for index, outputs in enumerate((hidden, hidden, 1)):
        weight = parts[index].reshape(slots * outputs, -1, 1, 1)
        maps = F.conv2d(maps, weight, parts[index + 3].flatten(), groups=slots)
        maps = maps.relu() if index < 2 else maps
    return maps.reshape(*inputs.queries.shape[:3], height, width)


def seconds(function: Callable[[], object], *, repeats: int, device: str) -> float:
    """Median time of a call after one that does not count."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        function()
        if torch.device(device).type == 'cuda':
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def peak_bytes(function: Callable[[], object], *, device: str) -> int:
    """Bytes that a call holds at most beyond what was held before."""
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
    """A row of the table for one predictor."""

    @torch.no_grad()
    def forward() -> None:
        predict()

    forward_time = seconds(forward, repeats=repeats, device=device)
    both = seconds(lambda: predict().sum().backward(), repeats=repeats, device=device)
    memory = peak_bytes(forward, device=device)
    return (
        f'| {name} | {1e3 * forward_time:.1f} ms | {1e3 * both:.1f} ms | {memory / _MIB:.0f} MiB |'
    )


def main(arguments: list[str] | None = None) -> None:
    """Measure as the command line says and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--size', type=int, nargs=2, default=[360, 640], metavar=('H', 'W'))
    for name, default in (
        ('pairs', 1),
        ('frames', 5),
        ('slots', 5),
        ('channels', 256),
        ('repeats', 5),
        ('threads', torch.get_num_threads()),
    ):
        parser.add_argument(f'--{name}', type=int, default=default, help='(default: %(default)s)')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    inputs = Inputs.random(
        pairs=args.pairs,
        frames=args.frames,
        slots=args.slots,
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
