"""Compare the speed and memory of this checkout with another one's, on a CPU in float32.

The other checkout can be any commit since a551cc7:

    git worktree add ../base a551cc7
    python tools/benchmarks/compare_speed.py --base ../base --masks MASKS --data REFER_YOUTUBE_VOS

Each checkout runs in its own processes, and both do the same task alternately, so that other load
on the machine affects both. Ratios are those of CPU seconds: the median over the rounds, and the
smallest and largest one. Peaks are resident memory after the first run. Weights are random. MASKS
contains the folders ``gt`` and ``osvos`` with a folder of PNGs per video. Without ``--masks`` or
``--data``, tasks that need them are skipped. Floating-point operations (of matrix products and
convolutions) are counted in this checkout; their speed is given as a share of that of a product
of two 1024 x 1024 matrices, which is measured in every round. With ``ONEDNN_MAX_CPU_ISA=AVX2``,
convolutions run as on a CPU with AVX2.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# A worker runs in a checkout that lacks most of this one's modules: nothing of the package here.

ROOT = Path(__file__).resolve().parents[2]
PAPER = ('r2vos/r2vos_r50_8xb1-6e_ref-ytvos.py', 'r2vos_r50.py')
RELEASED = (
    'r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py',
    'released/r2vos_r50.py',
)
SMALL = ('r2vos_tiny_refshapes.py',)
ENCODER = ['model.neck.encoder.num_cp=4']
ALL = [*ENCODER, 'model.neck.pyramid.with_cp=True', 'model.backbone.with_cp=True']


@dataclass(frozen=True)
class Work:
    """A task that both checkouts do.

    Attributes:
        title: shown in the table.
        kind: key of :data:`KINDS`.
        numbers: what the kind needs, such as frames per clip.
        configs: names of the config file, of which a checkout has one.
        settings: options of the config by name, which only this checkout runs.
        needs: argument of the command line that names the data.
    """

    title: str
    kind: str
    numbers: dict[str, Any] = field(default_factory=dict)
    configs: tuple[str, ...] = ()
    settings: dict[str, list[str]] = field(default_factory=dict)
    needs: str | None = None


_FRAMES = dict(frames=5, size=[360, 640], positives=1, negatives=0, clips=1)
WORKS = {
    'paper': Work('test, 5x360x640, one expression', 'test', _FRAMES, PAPER),
    'released': Work('the same, preset of the released code', 'test', _FRAMES, RELEASED),
    'four': Work(
        'four expressions, from file to masks, 1x360x640', 'expressions', dict(texts=4), PAPER
    ),
    'train': Work(
        'training step, 2x360x640',
        'train',
        dict(_FRAMES, frames=2),
        PAPER,
        {'encoder recomputed': ENCODER, 'encoder, pyramid and backbone recomputed': ALL},
    ),
    'small': Work(
        'training step of the small model, 4 clips of 3x128x128',
        'train',
        dict(frames=3, size=[128, 128], positives=2, negatives=2, clips=4),
        SMALL,
    ),
    'loading': Work(
        '10 clips of 5 frames of 720x1280', 'load', dict(items=10), PAPER, needs='data'
    ),
    'arrays': Work('J and F of arrays', 'score_arrays', needs='masks'),
    'folder': Work('J and F of a folder of PNGs, with imports', 'score_folder', needs='masks'),
}


# --- what a worker does -------------------------------------------------------------------------


def _model(spec: dict) -> tuple[Any, Any, argparse.Namespace]:
    """Return config, model with a random text encoder, and the settings of the checkout's tool."""
    import torch
    from benchmark_model import build

    has_lists = Path('r2vos_mm/utils/cli.py').is_file()
    config = next(path for name in spec['configs'] if (path := Path('configs', name)).is_file())
    args = argparse.Namespace(
        config=str(config),
        cfg_options=spec['options'] if has_lists else None,
        random_text_encoder=True,
        device='cpu',
        precision='float32',
        **spec['numbers'],
    )
    torch.manual_seed(0)
    return *build(args), args


def prepare_test(spec: dict) -> Callable[[], None]:
    """Prepare the test of one clip."""
    import torch
    from benchmark_model import random_batch

    _, model, args = _model(spec)
    model.eval()
    batch = random_batch(args, clips=1)

    def run() -> None:
        with torch.no_grad():
            model.test_step(dict(batch))

    return run


def prepare_expressions(spec: dict) -> Callable[[], None]:
    """Prepare the segmentation of a folder with one image by several expressions."""
    from r2vos_mm.apis import segment_video

    cfg, model, _ = _model(spec)
    model.cfg = cfg
    model.eval()
    texts = [
        f'object number {i} on the left of the other one' for i in range(spec['numbers']['texts'])
    ]

    def run() -> None:
        segment_video(model, spec['frames'], texts, precision='float32')

    return run


def prepare_train(spec: dict) -> Callable[[], None]:
    """Prepare one training step."""
    from benchmark_model import train_step

    step = train_step(*_model(spec))

    def run() -> None:  # without the losses
        step()

    return run


def prepare_load(spec: dict) -> Callable[[], None]:
    """Prepare the loading of random clips, in one thread."""
    import cv2
    import numpy as np
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    from r2vos_mm.registry import DATASETS

    cv2.setNumThreads(1)
    config = next(path for name in spec['configs'] if (path := Path('configs', name)).is_file())
    init_default_scope('r2vos_mm')
    options = Config.fromfile(config).train_dataloader.dataset
    options.update(data_root=spec['data'], video_subset=None)
    dataset = DATASETS.build(options)
    rng = np.random.default_rng(0)

    def run() -> None:
        for index in rng.integers(len(dataset), size=spec['numbers']['items']).tolist():
            dataset[index]

    return run


def prepare_score_arrays(spec: dict) -> Callable[[], list[list[float]]]:
    """Prepare J and F of all videos of a folder, read before."""
    import cv2
    import numpy as np

    from r2vos_mm.evaluation import score_masks

    cv2.setNumThreads(1)
    videos = []
    for folder in sorted(path for path in Path(spec['masks'], 'gt').iterdir() if path.is_dir()):
        paths = sorted(folder.glob('*.png'))
        both = [Path(spec['masks'], 'osvos', folder.name, path.name) for path in paths], paths
        videos.append([np.stack([cv2.imread(str(p), 0) > 0 for p in side]) for side in both])

    def run() -> list[list[float]]:
        scores = [score_masks(*masks) for masks in videos]
        return [x.tolist() for score in scores for x in (score.region, score.contour)]

    return run


def prepare_score_folder(spec: dict) -> Callable[[], None]:
    """Prepare the command that scores a folder in a separate process."""
    command = [sys.executable, 'tools/analysis_tools/evaluate_masks.py', 'osvos', 'gt']
    command[2:] = [str(Path(spec['masks'], name)) for name in command[2:]]
    command += ['--protocol', 'davis_semi', '--processes', '1']

    def run() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    return run


def prepare_product(spec: dict) -> Callable[[], None]:
    """Prepare twenty products of two matrices."""
    import torch

    matrix = torch.randn(1024, 1024)

    def run() -> None:
        for _ in range(20):
            matrix @ matrix

    return run


KINDS = {
    'test': prepare_test,
    'expressions': prepare_expressions,
    'train': prepare_train,
    'load': prepare_load,
    'score_arrays': prepare_score_arrays,
    'score_folder': prepare_score_folder,
    'product': prepare_product,
}
PRODUCT_FLOPS = 20 * 2 * 1024**3


def work(spec: dict) -> None:
    """Do a work once per line of the standard input; print a line of JSON about each run."""
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for all that libraries print
    sys.path.append('tools/analysis_tools')
    run = KINDS[spec['kind']](spec)
    _check_imports()
    for line in sys.stdin:
        count = _counted if line.strip() == 'count' else _not_counted
        started, wall = _cpu_seconds(), time.perf_counter()
        flops, result = count(run)
        answer = dict(cpu=_cpu_seconds() - started, wall=time.perf_counter() - wall)
        peaks = [resource.getrusage(who).ru_maxrss for who in _PROCESSES]
        print(
            json.dumps(dict(answer, peak=max(peaks) / 1024, flops=flops, result=result)),
            file=answers,
        )
        answers.flush()


def _check_imports() -> None:
    """Raise ImportError if a module of the package is not imported from this folder."""
    modules = [module for name, module in sys.modules.items() if name.startswith('r2vos_mm.')]
    for path in filter(None, (getattr(module, '__file__', None) for module in modules)):
        if Path.cwd() not in Path(path).resolve().parents:
            raise ImportError(f'r2vos_mm is imported from {path}')


_PROCESSES = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in _PROCESSES]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _counted(run: Callable) -> tuple[int, Any]:
    """Run with a count of floating-point operations."""
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    # FlopCounterMode also tracks modules and fails without gradients.
    class Counter(TorchDispatchMode):
        total = 0

        def __torch_dispatch__(
            self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
        ) -> Any:
            result = function(*args, **kwargs or {})
            count = flop_registry.get(function._overloadpacket)
            if count is not None:
                self.total += count(*args, **kwargs or {}, out_val=result)
            return result

    with Counter() as counter:
        result = run()
    return counter.total, result


def _not_counted(run: Callable) -> tuple[None, Any]:
    return None, run()


# --- the comparison -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """One run of a worker: seconds, MiB, floating-point operations if counted, and its result."""

    cpu: float
    wall: float
    peak: float
    flops: int | None = None
    result: Any = None


class Worker:
    """A process that does one work in one checkout."""

    def __init__(self, checkout: Path, spec: dict, threads: int) -> None:
        variables = dict(PYTHONPATH=str(checkout), OMP_NUM_THREADS=str(threads))
        self.name = f'{spec["kind"]} in {checkout}'
        self._log = tempfile.TemporaryFile('w+')  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, __file__, '--worker', json.dumps(spec)],
            cwd=checkout,
            env=os.environ | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def run(self, command: str = 'run') -> Run:
        """Do the work once.

        Raises:
            UsageError: the process failed; the message is the last line of its messages.
        """
        from r2vos_mm.utils.cli import UsageError

        try:
            self._process.stdin.write(command + '\n')
            self._process.stdin.flush()
            return Run(**json.loads(self._process.stdout.readline()))
        except (BrokenPipeError, json.JSONDecodeError):
            self._process.wait()
            self._log.seek(0)
            last = (self._log.read().strip().splitlines() or ['no message'])[-1]
            raise UsageError(f'{self.name} failed: {last}') from None

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout, self._log):
            stream.close()
        self._process.terminate()
        self._process.wait()


@dataclass(frozen=True)
class Comparison:
    """What was measured of a work in one setting.

    Attributes:
        title: of the work and setting.
        base, ours: seconds and memory, medians over the rounds; memory of the first run.
        ratio: CPU seconds of the base by ours: smallest, median and largest.
        product_share: speed as a share of that of a matrix product, or None.
        difference: largest difference of the results, if the work has any.
    """

    title: str
    base: Run
    ours: Run
    ratio: tuple[float, float, float]
    product_share: float | None = None
    difference: float | None = None

    def row(self) -> str:
        """Return a row of :data:`HEADER`'s table."""
        low, median, high = self.ratio
        share = '' if self.product_share is None else f'{self.product_share:.0%}'
        times = (f'{run.cpu:.3g} ({run.wall:.3g})' for run in (self.base, self.ours))
        peaks = (f'{run.peak:,.0f}' for run in (self.base, self.ours))
        cells = [self.title, *times, f'{median:.2f} ({low:.2f}-{high:.2f})', share, *peaks]
        return '| ' + ' | '.join(cells) + ' |'


HEADER = (
    '| work | base: CPU s (wall) | ours: CPU s (wall) | ratio (range) | share of a matrix product '
    '| peak of base, MiB | peak of ours, MiB |\n|---|---|---|---|---|---|---|'
)


def compare(
    work: Work, specs: dict[str, dict], base: Path, *, rounds: int, threads: int
) -> list[Comparison]:
    """Measure a work in both checkouts, and its settings in this one, round by round.

    Args:
        work: the work.
        specs: what the workers do: ``base``, ``ours`` and further settings of this checkout.
        base: the other checkout.
        rounds: number of rounds after a first one, in which caches fill.
        threads: of PyTorch.
    """
    with ExitStack() as stack:

        def start(checkout: Path, spec: dict) -> Worker:
            worker = Worker(checkout, spec, threads)
            stack.callback(worker.close)
            return worker

        product = start(ROOT, dict(kind='product')) if work.configs and not work.needs else None
        workers = {
            name: start(base if name == 'base' else ROOT, spec) for name, spec in specs.items()
        }
        # Counting follows each operation, which does not change the peak.
        first = {
            name: worker.run('run' if product is None or name == 'base' else 'count')
            for name, worker in workers.items()
        }
        runs: dict[str, list[Run]] = {name: [] for name in workers}
        speeds = []
        order = list(workers)
        for _ in range(rounds):
            if product is not None:
                speeds.append(PRODUCT_FLOPS / product.run().cpu)
            for name in order:
                runs[name].append(workers[name].run())
            order.reverse()  # the load may grow or fall during a round
    speed = statistics.median(speeds) if speeds else None
    return [
        _comparison(_title(work, name), runs['base'], runs[name], first['base'], first[name], speed)
        for name in runs
        if name != 'base'
    ]


def _title(work: Work, setting: str) -> str:
    return work.title if setting == 'ours' else f'{work.title}, {setting}'


def _comparison(
    title: str,
    base: list[Run],
    ours: list[Run],
    first_of_base: Run,
    first: Run,
    speed: float | None,
) -> Comparison:
    """Summarize the rounds; ``speed`` is that of a matrix product, operations per second."""
    ratios = sorted(b.cpu / o.cpu for b, o in zip(base, ours, strict=True))
    middle, middle_of_base = _medians(ours, first), _medians(base, first_of_base)
    return Comparison(
        title,
        middle_of_base,
        middle,
        (ratios[0], statistics.median(ratios), ratios[-1]),
        first.flops / middle.cpu / speed if speed and first.flops else None,
        _difference(first_of_base.result, first.result),
    )


def _medians(runs: list[Run], first: Run) -> Run:
    cpu, wall = (statistics.median(values) for values in zip(*((r.cpu, r.wall) for r in runs)))
    return Run(cpu, wall, first.peak, first.flops)


def _difference(base: list[list[float]] | None, ours: list[list[float]] | None) -> float | None:
    """Return the largest difference of two lists of equal form."""
    if base is None or ours is None:
        return None
    pairs = (pair for rows in zip(base, ours, strict=True) for pair in zip(*rows, strict=True))
    return max(abs(a - b) for a, b in pairs)


@contextmanager
def inputs(args: argparse.Namespace, names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Write the files that the works read to a temporary folder; yield their paths by name."""
    import numpy as np
    from benchmark_dataloader import write_resized
    from PIL import Image

    with tempfile.TemporaryDirectory() as temporary:
        top = Path(temporary)
        if 'four' in names:
            rows, columns = np.mgrid[:360, :640]
            image = np.stack([rows % 256, columns % 256, (rows + columns) % 256], 2)
            (top / 'frames').mkdir()
            Image.fromarray(image.astype(np.uint8)).save(top / 'frames/00000.jpg')
        if 'loading' in names:
            write_resized(args.data, top / 'data', size=(1280, 720), videos=4)
        if 'folder' in names:
            for kind in ('gt', 'osvos'):
                (top / 'masks' / kind).mkdir(parents=True)
                for folder in sorted((args.masks / kind).iterdir()):
                    for copy in range(3 if folder.is_dir() else 0):
                        link = top / 'masks' / kind / f'{folder.name}{copy}'
                        link.symlink_to(folder.resolve())
        paths = dict(frames=top / 'frames', data=top / 'data', copies=top / 'masks')
        yield {name: str(path) for name, path in paths.items()} | dict(masks=str(args.masks))


def specs_of(name: str, work: Work, paths: dict[str, str]) -> dict[str, dict]:
    """Return what the workers of a work do, by the name of the setting."""
    read = dict(paths, masks=paths['copies']) if name == 'folder' else paths
    spec = dict(read, kind=work.kind, numbers=work.numbers, configs=work.configs)
    settings = {'base': [], 'ours': []} | work.settings
    return {setting: dict(spec, options=options) for setting, options in settings.items()}


def parse_args(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    from r2vos_mm.utils.cli import parser_of, positive

    parser = parser_of(__doc__)
    parser.add_argument('--base', type=Path, required=True, help='the other checkout')
    parser.add_argument('--works', nargs='+', choices=WORKS, help='default: all')
    parser.add_argument('--masks', type=Path, help='folder with the folders gt and osvos')
    parser.add_argument('--data', type=Path, help='Refer-YouTube-VOS, or a part of it')
    parser.add_argument('--rounds', type=positive(int), default=3, help='default: %(default)s')
    parser.add_argument(
        '--threads', type=positive(int), default=1, help='of PyTorch (default: %(default)s)'
    )
    parser.add_argument('--out', type=Path, help='JSON file for the numbers')
    return parser.parse_args(arguments)


def chosen_works(args: argparse.Namespace) -> list[str]:
    """Return the names of the works to do.

    Raises:
        UsageError: the base is no checkout, or data of a work are missing.
    """
    from r2vos_mm.utils.cli import UsageError

    if not (args.base / 'r2vos_mm').is_dir():
        raise UsageError(f'--base {args.base} is not a checkout: it has no folder r2vos_mm')
    for name in ('masks', 'data'):
        path = getattr(args, name)
        if path is not None and not path.is_dir():
            raise UsageError(f'--{name} {path} is not a folder')
    lacking = {name for name, work in WORKS.items() if work.needs and not getattr(args, work.needs)}
    for name in args.works or ():
        if name in lacking:
            raise UsageError(f'--works {name} needs --{WORKS[name].needs}')
    return [name for name in args.works or WORKS if name not in lacking]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; with ``--worker`` one work in the checkout of this process."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ['--worker']:
        work(json.loads(arguments[1]))
        return

    from r2vos_mm.utils.cli import check_outputs, short_errors
    from r2vos_mm.utils.files import write_json

    args = parse_args(arguments)
    with short_errors(args.debug):
        check_outputs(args, 'out')
        names, found = chosen_works(args), []
        sys.path.append(str(ROOT / 'tools/analysis_tools'))
        print(HEADER, flush=True)
        with inputs(args, names) as paths:
            for name in names:
                specs = specs_of(name, WORKS[name], paths)
                options = dict(rounds=args.rounds, threads=args.threads)
                for comparison in compare(WORKS[name], specs, args.base.resolve(), **options):
                    print(comparison.row(), flush=True)
                    found.append(comparison)
        differences = [x.difference for x in found if x.difference is not None]
        if differences:
            print(f'largest difference of J and F: {max(differences):g}')
        if args.out is not None:
            write_json(args.out, [asdict(comparison) for comparison in found], indent=2)


if __name__ == '__main__':
    main()
