"""Measure training and labelling in one and two processes on CPUs, and extrapolate to many GPUs.

``python tools/benchmarks/scaling.py numbers.json`` measures, with OMP_NUM_THREADS=1 and two idle
cores, in about six minutes:

* training steps of a small R2-VOS in 1 process and in 2, with the same batch per process (weak
  scaling) and the same batch in total (strong scaling), on generated RefShapes videos;
* ``r2vos predict --manifest`` on copies of a video in 1 process and in 2, in both ways, too;
* the cost of each video besides the model: decoding, reading of the manifest and of headers, and
  the claims through which processes share the work.

``python tools/benchmarks/scaling.py numbers.json --plot scaling.png`` reads the numbers instead,
prints estimates of the time and the use of each resource for a million videos on 1 to 512 GPUs, and
draws them. Everything that was not measured is listed as an assumption (class ``Site``).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from r2vos_mm.utils.cli import (
    UserError,
    check_outputs,
    existing_file,
    parser_of,
    positive,
    short_errors,
)
from r2vos_mm.utils.files import atomic_path, read_json, write_json

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / 'configs/samples'
TRAINED, LABELLED = 'configs/r2vos_tiny_refshapes.py', 'r2vos_real'
BATCH, WARM_UP = 2, 6  # clips of a process; steps that are not counted
ROWS, HEADERS, UNITS, REPEATS = 20_000, 50, 300, 20  # of which a cost is the mean
GPUS = (1, 8, 64, 512)
# Calls that name files of the collection, per shard and per video, counted with strace.
CALLS_PER_SHARD, CALLS_PER_VIDEO = 26, 5.3


@dataclass(frozen=True)
class Site:
    """Assumptions about videos, GPUs and storage, none of which was measured.

    Attributes:
        videos, frames, texts: number of videos, frames of each, and expressions for each.
        width, height: of the frames, in pixels.
        bytes_per_video: of the file.
        masks_per_s: of a GPU: frames per second with one expression. MTTR's paper has 76 on an
            RTX 3090, ReferFormer's about 50 on a V100.
        start_s: seconds to start a process on a GPU and to load its model.
        cores: CPU cores per GPU.
        storage_mb_s: of the shared file system, for all processes, in MB/s.
        storage_ops_s: calls that name files, of the shared file system, per second.
        shard_frames: ``--shard-frames``.

    The efficiency of two processes, which is measured, is assumed for any larger number.
    """

    videos: int = 1_000_000
    frames: int = 300
    texts: int = 2
    width: int = 640
    height: int = 360
    bytes_per_video: float = 1.25e6
    masks_per_s: float = 50.0
    start_s: float = 60.0
    cores: int = 8
    storage_mb_s: float = 1000.0
    storage_ops_s: float = 5000.0
    shard_frames: int = 2000


@dataclass
class Steps:
    """Training steps of some processes.

    Attributes:
        processes, batch: number of processes, and clips of each per step.
        seconds: median of a step.
        quartiles: first and third quartile.
        count: number of steps, without warm-up.
    """

    processes: int
    batch: int
    seconds: float
    quartiles: tuple[float, float]
    count: int


@dataclass
class Labels:
    """A run of ``r2vos predict --manifest``.

    Attributes:
        processes, rows: number of processes, and of rows that they wrote.
        start_s: seconds until the first model was built.
        work_s: seconds from then to the last shard.
        rows_per_s: of all processes, without their start.
        bytes_per_mask: of the files of rows.
    """

    processes: int
    rows: int
    start_s: float
    work_s: float
    rows_per_s: float
    bytes_per_mask: float


@dataclass
class Costs:
    """CPU milliseconds of one core besides the model.

    Attributes:
        frame_ms: decoding of a frame.
        megapixels: of that frame.
        mask_ms: enlarging a mask to the frame and encoding it.
        row_ms: reading and checking a row of a manifest.
        header_ms: reading the number of frames of a video from its header.
        unit_ms: claiming, writing and releasing a shard of one video without rows.
    """

    frame_ms: float
    megapixels: float
    mask_ms: float
    row_ms: float
    header_ms: float
    unit_ms: float


def training(folder: Path, *, steps: int, rounds: int) -> list[Steps]:
    """Train with 1 process, 2, and 2 with half the batch, in turn; return the steps of each."""
    from r2vos_mm.refshapes import make_refshapes

    splits = dict(train=16, valid=1)
    make_refshapes(folder / 'refshapes', splits=splits, workers=1, progress=False)
    kinds = [(1, BATCH), (2, BATCH), (2, BATCH // 2)]
    times: dict[tuple[int, int], list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for processes, batch in kinds:
            out = folder / f'train-{number}-{processes}-{batch}'
            times[processes, batch] += _step_times(
                folder / 'refshapes', out, processes, batch, steps
            )
    return [_steps(*kind, times[kind]) for kind in kinds]


def _step_times(data: Path, out: Path, processes: int, batch: int, steps: int) -> list[float]:
    line = [ROOT / 'tools/dist_train.sh', ROOT / TRAINED, processes, '--work-dir', out]
    loader = dict(batch_size=batch, num_workers=0, persistent_workers=False)
    settings = {f'train_dataloader.{name}': value for name, value in loader.items()}
    settings |= {f'{s}_dataloader.dataset.data_root': data for s in ('train', 'val')}
    settings |= {'train_cfg.max_iters': steps + WARM_UP, 'default_hooks.logger.interval': 1}
    settings |= {'log_processor.window_size': 1, 'val_dataloader.dataset.indices': 1}
    _run([*line, '--cfg-options', *(f'{name}={value}' for name, value in settings.items())])
    [log] = out.glob('*/vis_data/scalars.json')
    records = map(json.loads, log.read_text().splitlines())
    return [record['time'] for record in records if 'lr' in record][WARM_UP:]


def _steps(processes: int, batch: int, times: list[float]) -> Steps:
    first, median, third = statistics.quantiles(times, n=4)
    return Steps(processes, batch, median, (first, third), len(times))


def labelling(folder: Path, *, videos: int, rounds: int) -> list[Labels]:
    """Label with 1 process, 2 with twice the videos, and 2 with the same; return medians."""
    kinds = [(1, videos), (2, 2 * videos), (2, videos)]
    runs: dict[tuple[int, int], list[Labels]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for kind in kinds:
            runs[kind].append(_label(folder / f'labels-{number}-{kind[0]}-{kind[1]}', *kind))
    return [_medians(runs[kind]) for kind in kinds]


def _label(out: Path, processes: int, videos: int) -> Labels:
    video, texts = sample()
    manifest = out.with_suffix('.jsonl')
    rows = (dict(id=str(n), video=str(video), expressions=texts) for n in range(videos))
    manifest.write_text(''.join(json.dumps(row) + '\n' for row in rows))
    line = [sys.executable, '-m', 'r2vos_mm.cli', 'predict', '--manifest', manifest, '--out', out]
    line += ['--model', LABELLED, '--device', 'cpu', '--processes', processes]
    begun = time.time()
    _run(line)
    built = (out / 'collection.json').stat().st_mtime
    work_s = max(path.stat().st_mtime for path in out.glob('shards/*.jsonl')) - built
    summary = read_json(out / 'summary.json')
    rates = summary['rows'] / work_s, summary['bytes'] / max(1, summary['masks'])
    return Labels(processes, summary['rows'], built - begun, work_s, *rates)


def _medians(runs: Sequence[Labels]) -> Labels:
    names = [field.name for field in fields(Labels)]
    return Labels(*(statistics.median(getattr(run, name) for run in runs) for name in names))


def costs(folder: Path) -> Costs:
    """Measure the work besides the model, with one thread."""
    from r2vos_mm.apis import R2VOSInferencer
    from r2vos_mm.apis.collection.manifest import digest, read_manifest
    from r2vos_mm.apis.collection.run import label_collection
    from r2vos_mm.datasets.io.sources import open_stream, stated_length

    video, texts = sample()
    segmenter = R2VOSInferencer(LABELLED, device='cpu')
    segmenter(video, texts=texts)
    frames = list(open_stream(video))
    [result] = segmenter([video], texts=texts)['predictions']
    manifest = folder / 'rows.jsonl'
    lines = (dict(id=str(n), video=f'{n:07d}.mp4', expressions=texts) for n in range(ROWS))
    manifest.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    few = folder / 'few.jsonl'
    few.write_text(''.join(manifest.read_text().splitlines(keepends=True)[:UNITS]))
    # Headers of one file are read once, and a finished collection is not labelled again.
    copies = iter([shutil.copy(video, folder / f'{n}.mp4') for n in range(HEADERS + 1)])
    folders = (folder / f'empty-{n}' for n in itertools.count())
    run = dict(build=_NoModel, show_progress=False, shard_frames=1)
    return Costs(
        frame_ms=_cpu_ms(lambda: list(open_stream(video)), REPEATS) / len(frames),
        megapixels=frames[0].shape[0] * frames[0].shape[1] / 1e6,
        mask_ms=1000 * result.speed['postprocess'] / (len(texts) * len(frames)),
        row_ms=_cpu_ms(lambda: digest(read_manifest(manifest)), 3) / ROWS,
        header_ms=_cpu_ms(lambda: stated_length(str(next(copies))), HEADERS),
        unit_ms=_cpu_ms(lambda: label_collection(few, next(folders), **run), 2) / UNITS,
    )


class _NoModel:
    """A labeller that finds nothing, at once."""

    settings: dict[str, Any] = {}
    frames_per_pass = 1

    def label_span(self, job: Any, span: Any) -> dict[str, Any]:
        return {}

    def join(self, job: Any, spans: Any, parts: Any) -> list[dict[str, Any]]:
        return []


def sample() -> tuple[Path, list[str]]:
    """Return the video to label, and two expressions, one of them about an object in it."""
    content = read_json(SAMPLES / 'coffee.json')
    return SAMPLES / 'coffee.mp4', [content['present'][0], content['absent'][0]]


def _cpu_ms(call: Callable[[], object], count: int) -> float:
    call()
    start = time.process_time()
    for _ in range(count):
        call()
    return 1000 * (time.process_time() - start) / count


def _run(line: Sequence[Any]) -> None:
    """Run a command with one thread per process.

    Raises:
        UserError: it fails; has its last line.
    """
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1', 'PYTHON': sys.executable}
    env['PYTHONPATH'] = os.pathsep.join([str(ROOT), *filter(None, [env.get('PYTHONPATH')])])
    done = subprocess.run([str(word) for word in line], capture_output=True, text=True, env=env)
    if done.returncode:
        last = (done.stderr.strip() or 'no message').splitlines()[-1]
        raise UserError(f'{line[0]} ended with status {done.returncode}: {last}')


def measure(*, steps: int, videos: int, rounds: int) -> dict[str, Any]:
    """Measure everything; return the content of the file of numbers."""
    os.environ |= dict(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
    with tempfile.TemporaryDirectory(prefix='r2vos_') as name:
        folder, begun = Path(name), time.monotonic()
        trained = training(folder, steps=steps, rounds=rounds)
        labelled = labelling(folder, videos=videos, rounds=rounds)
        found = dict(training=trained, labelling=labelled, costs=costs(folder))
    numbers = {name: _plain(value) for name, value in found.items()}
    load = [round(value, 2) for value in os.getloadavg()]
    return numbers | dict(load=load, seconds=round(time.monotonic() - begun))


def _plain(value: Any) -> Any:
    return [asdict(item) for item in value] if isinstance(value, list) else asdict(value)


def efficiencies(numbers: dict[str, Any]) -> dict[str, float]:
    """Return weak and strong efficiency of 2 processes, from 0 to 1, for both kinds of work.

    Weak: t1 / t2 with twice the work for two; strong: t1 / (2 t2) with the same work.
    """
    one, weak, strong = (item['seconds'] for item in numbers['training'])
    alone, double, shared = (item['rows_per_s'] for item in numbers['labelling'])
    return {
        'training, weak': one / weak,
        'training, strong': one / (2 * strong),
        'labelling, weak': double / (2 * alone),
        'labelling, strong': shared / (2 * alone),
    }


def report(numbers: dict[str, Any]) -> str:
    """Return what was measured, as lines of text."""
    lines = [f'{"processes":>9}{"clips each":>12}{"s per step":>12}{"quartiles":>16}{"steps":>7}']
    for steps in map(_named(Steps), numbers['training']):
        quartiles = '{:.3f}-{:.3f}'.format(*steps.quartiles)
        lines.append(
            f'{steps.processes:>9}{steps.batch:>12}{steps.seconds:>12.3f}{quartiles:>16}'
            f'{steps.count:>7}'
        )
    lines += [
        '',
        f'{"processes":>9}{"rows":>6}{"start s":>9}{"work s":>8}{"rows/s":>8}{"bytes/mask":>12}',
    ]
    lines += [
        f'{run.processes:>9.0f}{run.rows:>6.0f}{run.start_s:>9.1f}{run.work_s:>8.1f}'
        f'{run.rows_per_s:>8.2f}{run.bytes_per_mask:>12.0f}'
        for run in map(_named(Labels), numbers['labelling'])
    ]
    lines += ['', *(f'{name}: {value:.1%}' for name, value in efficiencies(numbers).items())]
    lines += ['', *(f'{name}: {value:.3f}' for name, value in numbers['costs'].items())]
    return '\n'.join(lines)


def _named(kind: type) -> Callable[[dict[str, Any]], Any]:
    return lambda content: kind(**content)


@dataclass(frozen=True)
class Estimate:
    """The time and resources that GPUs need to label the videos of a site.

    Attributes:
        gpus: number of GPUs.
        hours: of a process for each part, by its name.
        use: share of each resource that GPUs of full speed need, by its name.
    """

    gpus: int
    hours: dict[str, float]
    use: dict[str, float]

    @property
    def total(self) -> float:
        """Hours from start to end."""
        return sum(self.hours.values())

    @property
    def bottleneck(self) -> str:
        """What limits the speed: the GPUs, or a resource of which they need all or more."""
        name, share = max(self.use.items(), key=lambda item: item[1])
        return name if share >= 1 else f'GPUs (next: {name})'


def estimate(numbers: dict[str, Any], site: Site, gpus: int, *, has_lengths: bool) -> Estimate:
    """Estimate the time and resources for ``gpus``.

    Args:
        numbers: see :func:`measure`.
        site: assumptions.
        gpus: number of GPUs, each with one process.
        has_lengths: whether the manifest states ``frames``, so that no header is read.
    """
    cost, run = Costs(**numbers['costs']), Labels(**numbers['labelling'][0])
    scale = site.width * site.height / 1e6 / cost.megapixels
    masks = site.frames * site.texts
    seconds = masks / site.masks_per_s  # of a GPU and a video
    rate = gpus / seconds  # videos per second
    shards = site.videos * site.frames / max(site.shard_frames, site.frames)
    hours = {
        'start': site.start_s / 3600,
        'manifest': cost.row_ms * site.videos / 3.6e6,
        'headers': 0.0 if has_lengths else cost.header_ms * site.videos / 3.6e6,
    }
    cores = (site.frames * cost.frame_ms + masks * cost.mask_ms) * scale / 1000 / seconds
    written = masks * run.bytes_per_mask * scale**0.5  # contours grow with the side
    # Each process also looks once at each shard that others have done.
    per_shard = CALLS_PER_SHARD + gpus
    operations = rate * (CALLS_PER_VIDEO + per_shard * shards / site.videos)
    use = {
        'CPU cores': cores / site.cores,
        'storage': rate * (site.bytes_per_video + written) / 1e6 / site.storage_mb_s,
        'file operations': operations / site.storage_ops_s,
    }
    efficiency = efficiencies(numbers)['labelling, weak'] if gpus > 1 else 1.0
    hours['model'] = site.videos / rate / 3600 / efficiency * max(1.0, *use.values())
    return Estimate(gpus, hours, use)


def table(estimates: Sequence[Estimate]) -> str:
    """Return the estimates as a Markdown table."""
    parts, resources = estimates[0].hours, estimates[0].use
    names = ['GPUs', 'hours', *(f'{name} h' for name in parts), *resources, 'bottleneck']
    lines = ['| ' + ' | '.join(names) + ' |', '|---:' * (len(names) - 1) + '|---|']
    for item in estimates:
        numbers = [item.total, *item.hours.values()]
        cells = [str(item.gpus), *(f'{value:,.2f}' for value in numbers)]
        cells += [f'{share:.1%}' for share in item.use.values()]
        lines.append('| ' + ' | '.join([*cells, item.bottleneck]) + ' |')
    return '\n'.join(lines)


def draw(estimates: dict[str, list[Estimate]], path: Path) -> None:
    """Draw hours, and the use of each resource, against the number of GPUs.

    Args:
        estimates: by what they are of; the first ones are drawn in full.
        path: image to write.
    """
    import matplotlib

    matplotlib.use('Agg')
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.4), layout='constrained')
    for (name, items), line in zip(estimates.items(), ('-o', '--s', ':^')):
        left.plot([e.gpus for e in items], [e.total for e in items], line, label=name)
    first = next(iter(estimates.values()))
    for item in first:
        place = dict(xytext=(9, 0), textcoords='offset points', fontsize=9)
        left.annotate(f'{item.total:,.0f} h\n{item.bottleneck}', (item.gpus, item.total), **place)
    left.set(title='Time for a million videos, and bottleneck', ylabel='hours')
    for name in first[0].use:
        right.plot([e.gpus for e in first], [e.use[name] for e in first], '-o', label=name)
    idle = [1 - e.hours['model'] / e.total for e in first]
    right.plot([e.gpus for e in first], idle, '--s', label='time before the first frame')
    right.axhline(1, color='gray', linewidth=1)
    right.annotate('limit', (1, 1), (0, 3), textcoords='offset points', fontsize=9, color='gray')
    right.set(title='Share of each resource that is used', ylabel='share')
    for axes in (left, right):
        axes.set(xscale='log', yscale='log', xlabel='GPUs', xlim=(0.7, 1000))
        axes.set_xticks([e.gpus for e in first], [str(e.gpus) for e in first])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(fontsize=9, loc='best')
    left.set(xlim=(0.7, 70_000), ylim=(first[-1].total / 8, first[0].total * 3))
    left.legend(fontsize=9, loc='lower left')
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
    plt.close(figure)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('numbers', type=Path, help='JSON file to write, or to read with --plot')
    parser.add_argument('--plot', type=Path, help='draw this image, and measure nothing')
    count = positive(int)
    parser.add_argument('--steps', type=count, default=20, help='default: %(default)s')
    parser.add_argument('--videos', type=count, default=24, help='default: %(default)s')
    parser.add_argument('--rounds', type=count, default=2, help='default: %(default)s')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(arguments)
    with short_errors(args.debug):
        check_outputs(args, 'numbers', 'plot')
        if args.plot is None:
            numbers = measure(steps=args.steps, videos=args.videos, rounds=args.rounds)
            write_json(args.numbers, numbers)
            print(report(numbers))
            return
        numbers, site = read_json(existing_file(args.numbers, what='numbers')), Site()
        settings = {
            'defaults': (site, False),
            'frames in the manifest, --shard-frames 20000': (
                replace(site, shard_frames=20_000),
                True,
            ),
        }
        found = {
            name: [estimate(numbers, own, gpus, has_lengths=states) for gpus in GPUS]
            for name, (own, states) in settings.items()
        }
        for name, items in found.items():
            print(f'{name}:\n\n{table(items)}\n')
        print('\n'.join(f'assumed: {name} {value:,}' for name, value in asdict(site).items()))
        draw(found, args.plot)


if __name__ == '__main__':
    main()
