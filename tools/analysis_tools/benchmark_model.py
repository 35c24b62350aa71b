"""Measure peak memory and wall time of one training step and of one test video, on random input.

``python tools/analysis_tools/benchmark_model.py configs/r2vos_r50.py --random-text-encoder`` prints
a row of a Markdown table for each; ``--out FILE.json`` also writes the numbers. Each phase runs in
its own process to measure its peak memory: ``torch.cuda.max_memory_allocated`` on a GPU, the
resident set of the process (with Python and its libraries) on a CPU. A step is a forward pass, a
backward pass and the update of the weights, after ``--warm-up`` steps; times are medians. No
weights are loaded, because neither time nor memory depends on them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from r2vos_mm.cli.model_options import add_device_options
from r2vos_mm.utils.cli import (
    UsageError,
    add_cfg_options,
    cfg_options,
    check_outputs,
    parser_of,
    short_errors,
)
from r2vos_mm.utils.files import write_json
from r2vos_mm.utils.processes import die_with_parent

if TYPE_CHECKING:
    import torch
    from mmengine.config import Config

    from r2vos_mm.models.segmentors import ReferringVideoSegmentor
    from r2vos_mm.structures import ReferringDataSample

_MIB = 1 << 20


@dataclass(frozen=True)
class Measurement:
    """Cost of one phase.

    Attributes:
        config: name of the config.
        phase: ``train step`` or ``test video``.
        input: clips x frames x height x width, expressions.
        device: name of the GPU, or CPU and number of threads.
        precision: ``float32`` or ``bfloat16``.
        parameters: millions of parameters.
        trained: millions of trained parameters.
        idle_mib: memory before the first step, MiB.
        peak_mib: peak memory, MiB.
        seconds: median wall time of one step or video.
        frames_per_second: clips x frames / seconds.
    """

    config: str
    phase: str
    input: str
    device: str
    precision: str
    parameters: float
    trained: float
    idle_mib: float
    peak_mib: float
    seconds: float
    frames_per_second: float

    def row(self) -> str:
        """Return a row of :data:`HEADER`'s table."""
        return (
            f'| {self.config} | {self.phase} | {self.input} | {self.device} | '
            f'{self.precision} | {self.trained:.1f} of {self.parameters:.1f} M | '
            f'{self.peak_mib / 1024:.2f} GiB | {self.seconds:.2f} s |'
        )


HEADER = (
    '| config | phase | input | device | precision | trained parameters | peak memory | '
    'time |\n|---|---|---|---|---|---|---|---|'
)


class HashTokenizer:
    """Convert words to token ids by their hash, which is sufficient for random weights."""

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary

    def __call__(
        self, sentences: list[str], *, padding: bool = True, return_tensors: str = 'pt'
    ) -> dict[str, torch.Tensor]:
        """Return ``input_ids`` and ``attention_mask`` (P, L), with a start and an end token."""
        import torch

        rows = [
            torch.tensor([0, *(self._number(word) for word in sentence.split()), 2])
            for sentence in sentences
        ]
        pad = torch.nn.utils.rnn.pad_sequence
        return dict(
            input_ids=pad(rows, batch_first=True, padding_value=1),
            attention_mask=pad([torch.ones_like(row) for row in rows], batch_first=True),
        )

    def _number(self, word: str) -> int:
        return 3 + zlib.crc32(word.encode()) % (self.vocabulary - 3)


def random_text_encoder(cfg: dict) -> dict:
    """Replace the language model of a text encoder by one of the size of distilroberta-base.

    Its weights are random, so nothing is downloaded.
    """
    from transformers import RobertaConfig, RobertaModel

    config = RobertaConfig(
        vocab_size=50265, num_hidden_layers=6, max_position_embeddings=514, type_vocab_size=1
    )
    kept = {key: value for key, value in cfg.items() if key != 'name_or_path'}
    return dict(
        kept, language_model=RobertaModel(config), tokenizer=HashTokenizer(config.vocab_size)
    )


def random_batch(args: argparse.Namespace, *, clips: int) -> dict:
    """Return clips of noise with synthetic expressions, and rectangles as masks."""
    import torch

    generator = np.random.default_rng(0)
    height, width = args.size
    inputs = [
        torch.from_numpy(
            generator.integers(0, 256, (args.frames, 3, height, width), dtype=np.uint8)
        )
        for _ in range(clips)
    ]
    samples = [random_sample(args, clip) for clip in range(clips)]
    return dict(inputs=inputs, data_samples=samples)


def random_sample(args: argparse.Namespace, clip: int) -> ReferringDataSample:
    """Return the pairs of one clip: positives with one rectangle each, then negatives."""
    import torch
    from mmengine.structures import InstanceData

    from r2vos_mm.datasets.transforms.formatting import relative_boxes
    from r2vos_mm.structures import ReferringDataSample

    height, width = args.size
    count = args.positives + args.negatives
    masks = np.zeros((count, args.frames, height, width), bool)
    for pair in range(args.positives):
        top, left = height * (pair % 3) // 4, width * (pair % 4) // 5
        masks[pair, :, top : top + height // 3, left : left + width // 3] = True
    boxes, valid = relative_boxes(masks)
    sample = ReferringDataSample(
        metainfo=dict(
            video_id=f'clip{clip}',
            frame_ids=[f'{t:05d}' for t in range(args.frames)],
            img_shape=(height, width),
            ori_shape=(height, width),
        )
    )
    sample.gt_pairs = InstanceData(
        texts=[
            f'object number {pair} of clip {clip} on the left of the other one'
            for pair in range(count)
        ],
        masks=torch.from_numpy(masks),
        boxes=torch.from_numpy(boxes),
        valid=torch.from_numpy(valid),
        is_negative=torch.arange(count) >= args.positives,
        kinds=['positive'] * args.positives + ['other_video'] * args.negatives,
    )
    return sample


def build(args: argparse.Namespace) -> tuple[Config, ReferringVideoSegmentor]:
    """Return config and model, on the device.

    Raises:
        UsageError: the text encoder cannot be loaded.
    """
    from mmengine.registry import init_default_scope

    from r2vos_mm.engine import read_config
    from r2vos_mm.registry import MODELS

    cfg = read_config(args.config, cfg_options(args.cfg_options), needs=['model'])
    init_default_scope(cfg.get('default_scope', 'r2vos_mm'))
    parts = cfg.model.to_dict()
    if args.random_text_encoder:
        parts['text_encoder'] = random_text_encoder(parts['text_encoder'])
    try:
        model = MODELS.build(parts)
    except OSError as error:
        raise UsageError(f'{error}. Alternatively use --random-text-encoder') from error
    return cfg, model.to(args.device)


def train_step(
    cfg: Config, model: ReferringVideoSegmentor, args: argparse.Namespace
) -> Callable[[], None]:
    """Prepare one training step."""
    from mmengine.optim import build_optim_wrapper

    model.train()
    optimizer = dict(cfg.optim_wrapper, type='AutocastOptimWrapper', dtype=args.precision)
    wrapper = build_optim_wrapper(model, optimizer)
    batch = random_batch(args, clips=args.clips)
    return lambda: model.train_step(dict(batch), wrapper)


def test_video(
    cfg: Config, model: ReferringVideoSegmentor, args: argparse.Namespace
) -> Callable[[], None]:
    """Prepare the test of one video with all its expressions."""
    from r2vos_mm.utils.precision import resolve_precision

    model.eval()
    batch = random_batch(args, clips=1)
    precision = resolve_precision(args.precision, args.device)

    def step() -> None:
        with precision.autocast(args.device):
            model.test_step(dict(batch))

    return step


PHASES = {'train-step': train_step, 'test-video': test_video}


def measure(phase: str, args: argparse.Namespace) -> Measurement:
    """Build the model and measure the phase in this process."""
    import torch

    from r2vos_mm.apis.model_loading import checked_device

    args.threads = args.threads or torch.get_num_threads()
    torch.set_num_threads(args.threads)
    args.device = str(checked_device(args.device))
    cfg, model = build(args)
    args.precision = chosen_precision(cfg, args)
    step = PHASES[phase](cfg, model, args)
    idle = memory_mib(args.device)
    seconds = [timed(step, args.device) for _ in range(args.warm_up + args.repeats)]
    median = statistics.median(seconds[args.warm_up :])
    clips = args.clips if phase == 'train-step' else 1
    sizes = [p.numel() / 1e6 for p in model.parameters()]
    trained = [p.numel() / 1e6 for p in model.parameters() if p.requires_grad]
    pairs = clips * (args.positives + args.negatives)
    return Measurement(
        config=Path(args.config).stem,
        phase=phase.replace('-', ' '),
        input=f'{clips}x{args.frames}x{args.size[0]}x{args.size[1]}, {pairs} sentences',
        device=device_name(args),
        precision=args.precision,
        parameters=sum(sizes),
        trained=sum(trained),
        idle_mib=idle,
        peak_mib=memory_mib(args.device),
        seconds=median,
        frames_per_second=clips * args.frames / median,
    )


def chosen_precision(cfg: Config, args: argparse.Namespace) -> str:
    """Return ``bfloat16`` or ``float32``: as requested, or as in training with the config."""
    from r2vos_mm.utils.precision import log_precision, resolve_precision

    wrapper, requested = cfg.get('optim_wrapper') or {}, args.precision
    mixed = wrapper.get('type') in ('AutocastOptimWrapper', 'AmpOptimWrapper')
    if requested == 'auto' and wrapper.get('type') == 'AutocastOptimWrapper':
        requested = wrapper.get('dtype', 'auto')
    precision = resolve_precision(requested, args.device, mixed_precision=mixed)
    log_precision(precision, args.device)
    return precision.name


def timed(step: Callable[[], None], device: str) -> float:
    """Return the seconds of one call, including the work of the device."""
    import torch

    on_gpu = torch.device(device).type == 'cuda'
    start = time.perf_counter()
    step()
    if on_gpu:
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def memory_mib(device: str) -> float:
    """Return the peak memory so far in MiB: allocated on the GPU, or resident in this process."""
    import torch

    if torch.device(device).type == 'cuda':
        return torch.cuda.max_memory_allocated(device) / _MIB

    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MIB if sys.platform == 'darwin' else peak / 1024


def device_name(args: argparse.Namespace) -> str:
    """Return a name such as 'NVIDIA A100' or 'CPU, 2 threads'."""
    import torch

    if torch.device(args.device).type == 'cuda':
        return torch.cuda.get_device_name(args.device)
    return f'CPU, {args.threads} thread{"s" if args.threads > 1 else ""}'


def measure_apart(phase: str, arguments: Sequence[str]) -> Measurement:
    """Call :func:`measure` in a fresh process.

    Raises:
        UsageError: The process failed; the message is its last line of output.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, 'measurement.json')
        command = [sys.executable, __file__, *arguments, '--worker', phase, '--out', str(out)]
        process = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,
        )
        if process.returncode:
            lines = process.stderr.strip().splitlines() or ['no message']
            raise UsageError(
                f'{phase} ended with status {process.returncode}: '
                f'{lines[-1].removeprefix("error: ")}'
            )
        return Measurement(**json.loads(out.read_text()))


def parse_args(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--train-step', action='store_true', help='only the training step')
    parser.add_argument('--test-video', action='store_true', help='only the test video')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        default=[360, 640],
        metavar=('H', 'W'),
        help='(default: 360 640)',
    )
    for name, default, what in (
        ('frames', 5, 'frames per clip and per video'),
        ('clips', 1, 'clips per step'),
        ('positives', 3, 'positive pairs per clip'),
        ('negatives', 3, 'negative pairs per clip'),
        ('warm-up', 1, 'steps before timing'),
        ('repeats', 3, 'timed steps'),
    ):
        parser.add_argument(
            f'--{name}', type=int, default=default, help=f'{what} (default: %(default)s)'
        )
    parser.add_argument('--threads', type=int, help="of the CPU (default: PyTorch's)")
    add_device_options(parser)
    parser.add_argument(
        '--random-text-encoder',
        action='store_true',
        help='a random language model of the size of distilroberta-base, without download',
    )
    add_cfg_options(parser)
    parser.add_argument('--out', type=Path, help='JSON file for the numbers')
    parser.add_argument('--worker', choices=tuple(PHASES), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def check_counts(args: argparse.Namespace) -> None:
    """Raise UsageError for numbers that do not define a batch."""
    at_least_one = ('frames', 'clips', 'positives', 'threads', 'repeats')
    counts = [getattr(args, name) for name in at_least_one]
    if (
        min([*args.size, *(count for count in counts if count is not None)]) < 1
        or min(args.negatives, args.warm_up) < 0
    ):
        raise UsageError(
            f'--size and --{", --".join(at_least_one)} must be at least 1, --negatives '
            'and --warm-up at least 0'
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; with ``--worker`` one phase in this process."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    args = parse_args(arguments)
    with short_errors(args.debug):
        check_counts(args)
        check_outputs(args, 'out')
        from r2vos_mm.engine import read_config

        read_config(args.config, cfg_options(args.cfg_options), needs=['model'])
        if args.worker:
            args.out.write_text(json.dumps(asdict(measure(args.worker, args))))
            return
        chosen = [phase for phase in PHASES if getattr(args, phase.replace('-', '_'))]
        measured = [measure_apart(phase, arguments) for phase in chosen or PHASES]
        print(HEADER, *(measurement.row() for measurement in measured), sep='\n')
        if args.out is not None:
            write_json(args.out, [asdict(measurement) for measurement in measured], indent=2)


if __name__ == '__main__':
    main()
