"""Check and measure the package on a GPU: kernels, equality with the CPU, training, speed, memory.

``tools/benchmarks/gpu_check.sh`` runs all steps in at most ten minutes and writes the results to
``gpu_check.json`` and ``gpu_check.md``. Each step runs in its own process with a time limit; if it
fails or takes too long, its results so far are kept and the other steps still run.
No weights and no data are needed: weights, videos and expressions are random. ``--cpu`` runs
everything that a CPU can run at toy sizes, to test the script itself; its numbers mean nothing.

Speed is measured with windows of 36 frames of 360x640, a batch size of one and, unless stated
otherwise, one expression: after 20 warm-up windows, the median of 50 synchronized windows, or of as
many as fit into the time of the step (the column ``windows``).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2vos_mm.utils.cli import UsageError, parser_of, positive, short_errors
from r2vos_mm.utils.files import write_atomically, write_json

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / 'tools/analysis_tools'))

VIDEO_SWIN = dict(
    type='VideoSwinTransformer',
    embed_dims=8,
    depths=(2, 2, 2),
    num_heads=(1, 2, 4),
    window_size=(2, 3, 3),
    out_indices=(0, 1, 2),
    _delete_=True,
)
SENTENCES = ['a person in red on the left', 'the dog', 'a white car that moves right', 'a horse']
# Largest errors allowed relative to the largest value of a tensor.
OUTPUTS, GRADIENTS, HALF = 1e-4, 1e-3, 1e-2


@dataclass(frozen=True)
class Sizes:
    """What is measured, on a GPU or as a trial on a CPU.

    Attributes:
        configs: of the models whose parts are compared, below ``configs``, with settings.
        fast: configs of the two models whose speed is measured, by step.
        frames, height, width: of a window.
        levels: height and width of the levels of deformable attention in such a window.
        warm_up, repeats: windows before timing, and timed.
        video: width and height of the videos on disk.
        compared: frames, height and width of a clip that is computed on both devices.
    """

    configs: Mapping[str, dict]
    fast: Mapping[str, tuple[str, dict]]
    frames: int
    height: int
    width: int
    levels: list[tuple[int, int]]
    warm_up: int
    repeats: int
    video: tuple[int, int]
    compared: tuple[int, int, int]


GPU = Sizes(
    configs={
        'r2vos/r2vos_r50_8xb1-6e_ref-ytvos.py': {},
        'r2vos/r2vos_video-swin-t_8xb1-6e_ref-ytvos.py': {},
        'referformer/referformer_r50_8xb1-6e_ref-ytvos.py': {},
        'mttr/mttr_video-swin-t_8xb1-30e_ref-ytvos-8f.py': {},
    },
    fast={
        'r50': ('r2vos/r2vos_r50_8xb1-6e_ref-ytvos.py', {}),
        'video-swin-b': ('r2vos/r2vos_video-swin-b_8xb1-6e_ref-ytvos.py', {}),
    },
    frames=36,
    height=360,
    width=640,
    levels=[(45, 80), (23, 40), (12, 20), (6, 10)],
    warm_up=20,
    repeats=50,
    video=(1280, 720),
    compared=(2, 128, 160),
)
CPU = Sizes(
    configs={
        'r2vos/r2vos_tiny_1xb4-400iter_ref-ytvos.py': {},
        'referformer/referformer_tiny_1xb4-400iter_ref-ytvos.py': {},
        'mttr/mttr_tiny_1xb4-400iter_ref-ytvos.py': {},
    },
    fast={
        'r50': ('r2vos/r2vos_tiny_1xb4-400iter_ref-ytvos.py', {}),
        'video-swin-b': (
            'r2vos/r2vos_tiny_1xb4-400iter_ref-ytvos.py',
            {'model.backbone': VIDEO_SWIN, 'model.neck.in_channels': [8, 16, 32]},
        ),
    },
    frames=2,
    height=32,
    width=64,
    levels=[(3, 4), (1, 1)],
    warm_up=1,
    repeats=2,
    video=(96, 64),
    compared=(2, 32, 64),
)


class Records:
    """Rows of results, written to a file at once, so that a step that is stopped keeps them."""

    def __init__(self, path: Path, step: str) -> None:
        self.path, self.step = path, step

    def add(self, what: str, value: float, unit: str, *, bound: str = '', **more: Any) -> None:
        """Add a value; ``bound`` such as ``'<= 0.5'`` is the condition that it must meet."""
        row = dict(step=self.step, what=what, value=value, unit=unit, bound=bound, **more)
        row['holds'] = not bound or _meets(value, bound)
        with self.path.open('a', encoding='utf-8') as file:
            file.write(json.dumps(row) + '\n')

    def note(self, what: str, text: str) -> None:
        """Add words in place of a value."""
        with self.path.open('a', encoding='utf-8') as file:
            row = dict(step=self.step, what=what, value=text, unit='', bound='', holds=True)
            file.write(json.dumps(row) + '\n')


def _meets(value: float, bound: str) -> bool:
    relation, limit = bound.split()
    return value <= float(limit) if relation == '<=' else value >= float(limit)


@dataclass(frozen=True)
class Job:
    """What a step needs.

    Attributes:
        device: ``cuda`` or ``cpu``.
        sizes: of the models and videos.
        seconds: time limit of the step.
        clips: folder of videos for the loader, or None for random ones.
    """

    device: str
    sizes: Sizes
    seconds: float
    clips: Path | None

    @property
    def is_trial(self) -> bool:
        """Whether this is a trial at toy sizes."""
        return self.device == 'cpu'

    def autocast(self, precision: str) -> AbstractContextManager:
        """Context of a precision."""
        import torch

        return torch.autocast(self.device, torch.bfloat16, enabled=precision == 'bfloat16')

    def synchronize(self) -> None:
        """Wait until the device is done."""
        import torch

        if self.device == 'cuda':
            torch.cuda.synchronize()


# --- models and inputs --------------------------------------------------------------------------


def build_model(job: Job, config: str, options: dict) -> nn.Module:
    """Build a model on the CPU with random weights, none of them zero, equal in every call."""
    import torch
    from benchmark_model import random_text_encoder
    from mmengine.registry import init_default_scope

    from r2vos_mm.engine import read_config
    from r2vos_mm.registry import MODELS

    cfg = read_config(ROOT / 'configs' / config, options, needs=['model'])
    init_default_scope('r2vos_mm')
    parts = cfg.model.to_dict()
    torch.manual_seed(0)
    make = _toy_text_encoder if job.is_trial else random_text_encoder
    parts['text_encoder'] = make(parts['text_encoder'])
    model = MODELS.build(parts)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.02 * torch.randn_like(weight)
    model.cfg = cfg
    return model.eval()


def _toy_text_encoder(cfg: dict) -> dict:
    from benchmark_model import HashTokenizer
    from transformers import RobertaConfig, RobertaModel

    sizes = dict(hidden_size=16, num_attention_heads=2, intermediate_size=32)
    config = RobertaConfig(vocab_size=100, num_hidden_layers=1, type_vocab_size=1, **sizes)
    kept = {key: value for key, value in cfg.items() if key != 'name_or_path'}
    return dict(kept, language_model=RobertaModel(config), tokenizer=HashTokenizer(100))


def random_batch(frames: int, height: int, width: int, *, clips: int = 1) -> dict:
    """Return clips of noise with two true and one false expression, and their objects."""
    from benchmark_model import random_batch as batch_of
    from mmengine.structures import InstanceData

    numbers = dict(frames=frames, size=(height, width), positives=2, negatives=1)
    batch = batch_of(argparse.Namespace(**numbers), clips=clips)
    for sample in batch['data_samples']:
        pairs = sample.gt_pairs
        pairs.obj_ids = ['1', '2', '']
        instances = dict(masks=pairs.masks[:2], valid=pairs.valid[:2])
        sample.gt_instances = InstanceData(obj_ids=['1', '2'], **instances)
    return batch


# --- steps --------------------------------------------------------------------------------------


def check_kernels(job: Job, records: Records) -> None:
    """Compare each kernel of deformable attention with PyTorch in float64, and time it."""
    import torch

    from r2vos_mm.models.layers import deformable_sampling as layer

    names = layer.kernels_on(job.device)
    if job.is_trial:
        names = ('PyTorch',)
        if os.environ.get('TRITON_INTERPRET') == '1':
            names = ('Triton', 'PyTorch')
        else:
            records.note('Triton', 'not run: the package triton is missing')
    else:  # also compiles what the next steps use
        for dtype in (torch.float32, torch.bfloat16):
            inputs = [x for x in _samples(job, dtype, batch=1) if _is_tensor(x)]
            records.note(f'used for {str(dtype)[6:]}', layer._choose(*inputs))
    records.note('available', ', '.join(names))
    for name in names:
        for dtype in (torch.float32, torch.bfloat16):
            if name != 'MMCV' or dtype == torch.float32:
                _check_kernel(job, records, name, dtype)
    for name in () if job.is_trial else names:
        for dtype in (torch.float32, torch.bfloat16):
            if name != 'MMCV' or dtype == torch.float32:
                _time_kernel(job, records, name, dtype)


def _check_kernel(job: Job, records: Records, name: str, dtype: torch.dtype) -> None:
    import torch

    from r2vos_mm.models.layers import deformable_sampling as layer

    inputs = _samples(job, dtype, batch=1)
    exact = [x.detach().double().requires_grad_() if _is_tensor(x) else x for x in inputs]
    outputs = _kernel_results(job, layer.sample_and_sum, exact, dtype)
    found = _kernel_results(job, layer.KERNELS[name].run, inputs, dtype)
    bounds = (1e-5, 1e-4) if dtype == torch.float32 else (HALF, HALF)
    parts = ('output', 'gradient of values', 'gradient of locations', 'gradient of weights')
    for part, x, wanted in zip(parts, found, outputs, strict=True):
        bound = bounds[part != 'output']
        what = f'{name}, {str(dtype)[6:]}, error of the {part}'
        records.add(what, _relative_error(x, wanted), 'of the largest', bound=f'<= {bound}')


def _samples(job: Job, dtype: torch.dtype, *, batch: int) -> list:
    """Return values, levels, locations at odd sixteenths of cells (where gradients do not jump)
    that are partly outside, and weights."""
    import torch

    generator = torch.Generator().manual_seed(0)
    shapes = job.sizes.levels
    cells, heads, points = sum(h * w for h, w in shapes), 8, 4
    queries = 7 if job.is_trial else cells
    sizes = torch.tensor(shapes).flip(1)[:, None]
    value = torch.randn(batch, cells, heads, 32, generator=generator).to(dtype)
    steps = torch.rand(batch, queries, heads, len(shapes), points, 2, generator=generator)
    places = ((2 * (steps * (sizes + 2) * 8).floor() + 1) / 16 - 1) / sizes
    weights = torch.rand(places.shape[:-1], generator=generator) / len(shapes) / points
    value, places, weights = (x.to(job.device).requires_grad_() for x in (value, places, weights))
    return [value, shapes, places, weights]


def _kernel_results(job: Job, run: Callable, inputs: list, dtype: torch.dtype) -> list[Tensor]:
    import torch

    # PyTorch's operators take one type, or several under autocast.
    precision = 'bfloat16' if inputs[0].dtype == torch.bfloat16 else 'float32'
    with job.autocast(precision):
        output = run(*inputs)
    slope = torch.linspace(-9, 9, output.numel(), device=output.device).sin().to(dtype)
    tensors = [x for x in inputs if _is_tensor(x)]
    gradients = torch.autograd.grad(output, tensors, slope.view_as(output).to(output.dtype))
    return [output.detach(), *gradients]


def _is_tensor(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _relative_error(found: Tensor, expected: Tensor) -> float:
    found, expected = found.detach().cpu().double(), expected.detach().cpu().double()
    scale = expected.abs().max().item()
    return (found - expected).abs().max().item() / (scale or 1.0)


def _time_kernel(job: Job, records: Records, name: str, dtype: torch.dtype) -> None:
    from r2vos_mm.models.layers import deformable_sampling as layer

    inputs = _samples(job, dtype, batch=job.sizes.frames)
    run = layer.KERNELS[name].run
    for what, call in (
        ('forward', lambda: _forward(job, run, inputs)),
        ('forward and backward', lambda: _kernel_results(job, run, inputs, dtype)),
    ):
        with peak_memory(job) as peak:
            timing = timed(job, call, warm_up=3, repeats=20, seconds=4)
        name_of_row = f'{name}, {str(dtype)[6:]}, {what} of {job.sizes.frames} frames'
        records.add(name_of_row, timing.median * 1e3, 'ms', peak_gib=peak())


def _forward(job: Job, run: Callable, inputs: list) -> None:
    import torch

    precision = 'bfloat16' if inputs[0].dtype == torch.bfloat16 else 'float32'
    with torch.no_grad(), job.autocast(precision):
        run(*inputs)


def check_equality(job: Job, records: Records) -> None:
    """Compare outputs of all parts, losses and gradients on the device with those on the CPU."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    for config, options in job.sizes.configs.items():
        model = build_model(job, config, options)
        expected, found = (_all_results(model, job, device) for device in ('cpu', job.device))
        for kind, bound in (('outputs', OUTPUTS), ('losses', OUTPUTS), ('gradients', GRADIENTS)):
            errors = {
                name: _relative_error(value, expected[kind][name])
                for name, value in found[kind].items()
            }
            worst = max(errors, key=errors.get)
            what = f'{Path(config).stem}, {len(errors)} {kind}'
            records.add(what, errors[worst], 'of the largest', bound=f'<= {bound}', where=worst)


def _all_results(model: nn.Module, job: Job, device: str) -> dict[str, dict[str, Tensor]]:
    """Return all outputs of the parts and their parts, all losses and all gradients by name."""
    import torch

    model.to(device).zero_grad()
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Callable:
        def hook(module: nn.Module, inputs: tuple, output: object) -> None:
            for index, value in enumerate(_floats(output)):
                outputs[f'{name}/{index}'] = value.detach().clone().cpu()  # later changed in place

        return hook

    named = [(name, part) for name, part in model.named_modules() if 0 <= name.count('.') <= 1]
    hooks = [part.register_forward_hook(keep(name)) for name, part in named if name]
    batch = random_batch(*job.sizes.compared, clips=2)
    try:
        losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
        losses = {name: value for name, value in losses.items() if value.requires_grad}
        sum(losses.values()).backward()
    finally:
        for hook in hooks:
            hook.remove()
    gradients = {
        name: weight.grad.clone().cpu()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }
    if job.device == 'cuda':
        torch.cuda.synchronize()
    losses = {name: value.detach().cpu() for name, value in losses.items()}
    return dict(outputs=outputs, losses=losses, gradients=gradients)


def _floats(value: object) -> Iterator[Tensor]:
    """Yield the float tensors in nested lists, dicts and data classes."""
    if _is_tensor(value):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        yield from (x for item in value.values() for x in _floats(item))
    elif isinstance(value, (list, tuple)):
        yield from (x for item in value for x in _floats(item))
    elif is_dataclass(value):
        yield from (x for field in fields(value) for x in _floats(getattr(value, field.name)))


def check_training(job: Job, records: Records) -> None:
    """Train on one clip in mixed precision and DDP, in one process; the loss must fall."""
    import torch
    from mmengine.model import MMDistributedDataParallel
    from mmengine.optim import build_optim_wrapper
    from torch import distributed

    backend = 'nccl' if job.device == 'cuda' else 'gloo'
    precision = 'float32' if job.is_trial else 'bfloat16'
    config, options = job.sizes.fast['r50']
    with tempfile.TemporaryDirectory() as folder:
        store = f'file://{folder}/meeting'
        distributed.init_process_group(backend, init_method=store, rank=0, world_size=1)
        try:
            model = build_model(job, config, options).to(job.device).train()
            ids = dict(device_ids=[0]) if job.device == 'cuda' else {}
            parallel = MMDistributedDataParallel(model, broadcast_buffers=False, **ids)
            optimizer = dict(type='AdamW', lr=1e-4)
            wrapper = dict(type='AutocastOptimWrapper', dtype=precision, optimizer=optimizer)
            wrapper['clip_grad'] = dict(max_norm=0.1)
            wrapper = build_optim_wrapper(parallel, wrapper)
            batch = random_batch(*job.sizes.compared)
            losses = []
            with peak_memory(job) as peak:
                for _ in range(3 if job.is_trial else 20):
                    logged = parallel.train_step(dict(batch), wrapper)
                    losses.append(logged['loss'].item())
        finally:
            distributed.destroy_process_group()
    what = f'{Path(config).stem}, {precision}, DDP over {backend}'
    fall = losses[-1] / losses[0] if torch.tensor(losses).isfinite().all() else float('inf')
    steps = f'{len(losses)} steps'
    records.add(f'{what}, {steps}: last loss', fall, 'of the first', bound='<= 1', peak_gib=peak())


@dataclass(frozen=True)
class Timing:
    """Median seconds of a call, and how many were timed."""

    median: float
    count: int


def timed(
    job: Job, call: Callable[[], object], *, warm_up: int, repeats: int, seconds: float
) -> Timing:
    """Time a synchronized call, repeated until ``seconds`` have passed."""
    end, times = time.perf_counter() + seconds, []
    for index in range(warm_up + repeats):
        job.synchronize()
        start = time.perf_counter()
        call()
        job.synchronize()
        if index >= warm_up or start > end - seconds / 2:  # a slow call is warm after half
            times.append(time.perf_counter() - start)
        if time.perf_counter() > end:
            times = times or [time.perf_counter() - start]
            break
    return Timing(statistics.median(times), len(times))


@contextmanager
def peak_memory(job: Job) -> Iterator[Callable[[], float | None]]:
    """Measure the peak memory of the GPU inside the block, in GiB; None on a CPU."""
    import torch

    if job.device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    yield lambda: torch.cuda.max_memory_allocated() / 2**30 if job.device == 'cuda' else None


def measure_speed(job: Job, records: Records, model: str) -> None:
    """Measure frames per second in float32 and bfloat16, for four sentences, and end to end."""
    config, options = job.sizes.fast[model]
    segmentor = build_model(job, config, options).to(job.device)
    share = job.seconds / 6
    half = _record_speed(job, records, segmentor, 'bfloat16', seconds=share)
    _record_speed(job, records, segmentor, 'float32', slower_than=half, seconds=share)
    _record_speed(job, records, segmentor, 'bfloat16', sentences=4, than=half, seconds=share)
    _record_end_to_end(job, records, segmentor, seconds=share)


def measure_compiled(job: Job, records: Records, model: str) -> None:
    """Measure frames per second of a model that ``torch.compile`` has compiled, in bfloat16."""
    import torch

    config, options = job.sizes.fast[model]
    segmentor = build_model(job, config, options).to(job.device)
    torch.set_float32_matmul_precision('high')
    # Generating code for a CPU takes minutes.
    backend = 'eager' if job.is_trial else 'inductor'
    compiled = dict(compile=lambda f: torch.compile(f, backend=backend, fullgraph=True))
    _record_speed(job, records, segmentor, 'bfloat16', seconds=job.seconds / 4, **compiled)


def _record_speed(
    job: Job,
    records: Records,
    model: nn.Module,
    precision: str,
    *,
    seconds: float,
    sentences: int = 1,
    than: float | None = None,
    slower_than: float | None = None,
    compile: Callable | None = None,
) -> float:
    """Record the speed of a window, without decoding and final masks; return its seconds.

    Args:
        than: seconds of one sentence, to which several are compared.
        slower_than: seconds of bfloat16, to which float32 is compared.
    """
    import torch

    sizes, predict = job.sizes, _predictor(model)
    generator = torch.Generator().manual_seed(0)
    window = torch.randn(1, sizes.frames, 3, sizes.height, sizes.width, generator=generator)
    window = window.to(job.device)
    predict = compile(predict) if compile else predict
    with torch.no_grad(), job.autocast(precision), peak_memory(job) as peak:
        text = model.encode_text(SENTENCES[:sentences])
        words = text.words, text.sentence, text.padding
        start = time.perf_counter()
        predict(window, *words)
        job.synchronize()
        first = time.perf_counter() - start
        counts = dict(warm_up=sizes.warm_up, repeats=sizes.repeats, seconds=seconds)
        timing = timed(job, lambda: predict(window, *words), **counts)
    kind = f'{"compiled" if compile else "eager"} {precision}'
    kind += f', {sentences} sentences' if sentences > 1 else ''
    more = dict(windows=timing.count, first_s=first, peak_gib=peak())
    records.add(kind, sizes.frames / timing.median, 'frames/s', **more)
    if than:
        records.add(f'time of {kind}', timing.median / than, 'of that of one sentence')
    if slower_than:
        records.add('speed of bfloat16', timing.median / slower_than, 'of that of float32')
    return timing.median


def _predictor(model: nn.Module) -> Callable[..., list[Tensor]]:
    """Return a function from a window and encoded text to predictions; it can be compiled."""
    import torch

    from r2vos_mm.structures import TextFeatures

    def predict(window: Tensor, words: Tensor, sentence: Tensor, padding: Tensor) -> list[Tensor]:
        clips = model.extract_clips(window, [tuple(window.shape[-2:])])
        to_clip = torch.zeros(len(words), dtype=torch.long, device=words.device)
        found = model._predict_pairs(clips, TextFeatures(words, sentence, padding), to_clip)[:2]
        return [x for part in found if part is not None for x in part._values()]

    return predict


def _record_end_to_end(job: Job, records: Records, model: nn.Module, *, seconds: float) -> None:
    """Record the speed from images of a folder to run-length codes of the masks."""
    import numpy as np
    from pycocotools import mask as coco

    from r2vos_mm.apis import segment_video

    sizes = job.sizes
    with tempfile.TemporaryDirectory() as folder:
        write_frames(Path(folder), sizes.frames, sizes.video)
        options = dict(frames_per_pass=sizes.frames, precision='bfloat16')

        def run() -> None:
            found = segment_video(model, folder, SENTENCES[0], **options)
            coco.encode(np.asfortranarray(found.masks[0].transpose(1, 2, 0).astype(np.uint8)))

        with peak_memory(job) as peak:
            counts = dict(warm_up=min(sizes.warm_up, 3), repeats=sizes.repeats)
            timing = timed(job, run, seconds=seconds, **counts)
    what = f'end to end bfloat16, JPEG of {sizes.video[0]}x{sizes.video[1]} to RLE'
    more = dict(windows=timing.count, peak_gib=peak())
    records.add(what, sizes.frames / timing.median, 'frames/s', **more)


def write_frames(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write smooth random images, which compress about as well as photographs."""
    import cv2
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
    image = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    for index in range(count):
        cv2.imwrite(str(folder / f'{index:05d}.jpg'), np.roll(image, 4 * index, axis=1))


def measure_memory(job: Job, records: Records) -> None:
    """Measure the peak memory and the time of a training step of 5 frames."""
    from mmengine.optim import build_optim_wrapper

    precision = 'float32' if job.is_trial else 'bfloat16'
    frames = 2 if job.is_trial else 5
    for name, (config, options) in job.sizes.fast.items():
        model = build_model(job, config, options).to(job.device).train()
        optimizer = dict(type='AdamW', lr=1e-5)
        wrapper = dict(type='AutocastOptimWrapper', dtype=precision, optimizer=optimizer)
        wrapper = build_optim_wrapper(model, wrapper)
        batch = random_batch(frames, job.sizes.height, job.sizes.width)
        with peak_memory(job) as peak:
            repeats = 1 if job.is_trial else 10
            counts = dict(warm_up=2, repeats=repeats, seconds=job.seconds / 4)
            timing = timed(job, lambda: model.train_step(dict(batch), wrapper), **counts)  # noqa: B023
        what = f'{name}, training step of {frames} frames, {precision}'
        records.add(what, timing.median * 1e3, 'ms', peak_gib=peak(), windows=timing.count)


def measure_loader(job: Job, records: Records) -> None:
    """Measure clips per second of the training pipeline: one core, and all workers together."""
    from benchmark_dataloader import measure_speed as speed_of
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from torch.utils.data import DataLoader

    from r2vos_mm.registry import DATASETS

    init_default_scope('r2vos_mm')
    loader = Config.fromfile(ROOT / 'configs/_base_/datasets/ref_youtube_vos.py').train_dataloader
    with tempfile.TemporaryDirectory() as folder:
        root = job.clips or write_videos(Path(folder), job.sizes.video)
        loader.dataset.update(data_root=str(root), video_subset=None, negatives=None)
        items = 2 if job.is_trial else 20
        speed = speed_of(loader, items=items, rounds=1 if job.is_trial else 3)
        what = 'random videos' if job.clips is None else 'videos of --clips'
        records.add(f'one core, {what}', speed.clips_per_second, 'clips/s')
        records.add('the same over the usual pipeline', speed.ratio, 'times')
        workers = 1 if job.is_trial else min(os.cpu_count() or 1, 16)
        dataset = DATASETS.build(loader.dataset)
        indices = [index % len(dataset) for index in range(items * workers)]
        start = time.perf_counter()
        for _ in DataLoader(dataset, None, sampler=indices, num_workers=workers):
            pass
        seconds = time.perf_counter() - start
        records.add(f'{workers} workers with their start', len(indices) / seconds, 'clips/s')


def write_videos(root: Path, size: tuple[int, int], *, videos: int = 2, frames: int = 6) -> Path:
    """Write a small set in the layout of Refer-YouTube-VOS; an object fills the left half."""
    import cv2
    import numpy as np

    names = [f'{index:05d}' for index in range(frames)]
    mask = np.zeros(size[::-1], np.uint8)
    mask[size[1] // 4 :, : size[0] // 2] = 1
    listed = {}
    for video in (f'v{index}' for index in range(videos)):
        write_frames(root / 'train/JPEGImages' / video, frames, size)
        folder = root / 'train/Annotations' / video
        folder.mkdir(parents=True)
        for name in names:
            cv2.imwrite(str(folder / f'{name}.png'), mask)
        expressions = {str(i): dict(exp=text, obj_id='1') for i, text in enumerate(SENTENCES)}
        listed[video] = dict(frames=names, expressions=expressions)
    write_json(root / 'meta_expressions/train/meta_expressions.json', dict(videos=listed))
    return root


@dataclass(frozen=True)
class Step:
    """A step and its time limit in seconds when all steps together have ten minutes."""

    run: Callable[[Job, Records], None]
    seconds: float


STEPS = {
    'kernels': Step(check_kernels, 75),
    'equality': Step(check_equality, 70),
    'training': Step(check_training, 40),
    'r50': Step(lambda job, records: measure_speed(job, records, 'r50'), 80),
    'video-swin-b': Step(lambda job, records: measure_speed(job, records, 'video-swin-b'), 80),
    'memory': Step(measure_memory, 40),
    'loader': Step(measure_loader, 25),
    # The last ones may use what the others have left.
    'compiled-r50': Step(lambda job, records: measure_compiled(job, records, 'r50'), 120),
    'compiled-video-swin-b': Step(
        lambda job, records: measure_compiled(job, records, 'video-swin-b'), 180
    ),
}


# --- running ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """How a step ended: ``done``, ``failed`` or ``stopped at its time limit``."""

    step: str
    status: str
    seconds: float


def run_step(name: str, job: Job, path: Path) -> Outcome:
    """Run a step in its own process; stop it and its child processes at its time limit."""
    process = multiprocessing.get_context('fork').Process(target=_work, args=(name, job, path))
    start = time.perf_counter()
    process.start()
    process.join(job.seconds)
    status = 'done' if process.exitcode == 0 else 'failed'
    if process.is_alive():
        status = 'stopped at its time limit'
    with suppress(ProcessLookupError):  # it and its workers have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.join()
    return Outcome(name, status, time.perf_counter() - start)


def _work(name: str, job: Job, path: Path) -> None:
    os.setsid()
    try:
        STEPS[name].run(job, Records(path, name))
    except Exception as error:
        traceback.print_exc()
        Records(path, name).note('error', f'{type(error).__name__}: {error}'.splitlines()[0][:300])
        raise SystemExit(1) from None


def describe_machine(device: str) -> dict[str, str]:
    """Return the card and the versions."""
    import torch
    import transformers

    from r2vos_mm.version import __version__

    # Not asked here: steps are forked from this process, which must not start CUDA.
    name = 'CPU' if device == 'cpu' else _gpu_name()
    versions = dict(torch=torch.__version__, transformers=transformers.__version__)
    return dict(device=name, r2vos_mm=__version__, **versions, cores=str(os.cpu_count()))


def _gpu_name() -> str:
    import subprocess

    command = ['nvidia-smi', '--query-gpu=name', '--format=csv,noheader']
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 'GPU'
    return listed.splitlines()[0] if listed else 'GPU'


def table(machine: dict[str, str], outcomes: list[Outcome], rows: list[dict]) -> str:
    """Return the results as Markdown."""
    lines = [', '.join(f'{name} {value}' for name, value in machine.items()), '']
    lines += ['| step | ended | seconds |', '|---|---|---|']
    lines += [f'| {x.step} | {x.status} | {x.seconds:.0f} |' for x in outcomes]
    lines += [
        '',
        '| step | what | value | bound | windows | peak GiB |',
        '|---|---|---|---|---|---|',
    ]
    for row in rows:
        value = row['value'] if isinstance(row['value'], str) else f'{row["value"]:.3g}'
        bound = row['bound'] + ('' if row['holds'] else ' **not met**')
        peak = row.get('peak_gib')
        cells = [row['step'], row['what'], f'{value} {row["unit"]}'.strip(), bound]
        cells += [str(row.get('windows', '')), '' if peak is None else f'{peak:.2f}']
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines) + '\n'


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('--cpu', action='store_true', help='try everything at toy sizes on a CPU')
    parser.add_argument(
        '--steps', nargs='+', choices=list(STEPS), default=list(STEPS), metavar='STEP',
        help=f'steps to run, of: {", ".join(STEPS)} (default: all)',
    )  # fmt: skip
    parser.add_argument(
        '--minutes', type=positive(float), default=10,
        help='time for all steps; the limit of each is scaled (default: %(default)s)',
    )  # fmt: skip
    parser.add_argument(
        '--clips', type=Path, help='videos for the loader in the layout of Refer-YouTube-VOS'
    )
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs/gpu_check'),
        help='folder for gpu_check.json and gpu_check.md (default: %(default)s)',
    )  # fmt: skip
    return parser.parse_args(arguments)


def run(args: argparse.Namespace) -> int:
    """Run the steps; return 1 if one failed or a bound is not met."""
    end = time.monotonic() + 60 * args.minutes - 5
    if args.clips and not args.clips.is_dir():
        raise UsageError(f'--clips {args.clips} is not a folder')
    if args.cpu:
        import importlib.util

        if importlib.util.find_spec('triton') and 'torch' not in sys.modules:
            os.environ['TRITON_INTERPRET'] = '1'
    # CUDA must not be started before the steps are forked.
    os.environ['PYTORCH_NVML_BASED_CUDA_CHECK'] = '1'
    import torch

    if not args.cpu and not torch.cuda.is_available():
        raise UsageError('there is no GPU: --cpu tries the script on a CPU')
    from r2vos_mm.utils import register_all_modules

    register_all_modules()
    device, sizes = ('cpu', CPU) if args.cpu else ('cuda', GPU)
    args.out.mkdir(parents=True, exist_ok=True)
    rows_file = args.out / 'rows.jsonl'
    rows_file.unlink(missing_ok=True)
    machine, outcomes, rows = describe_machine(device), [], []
    for name in args.steps:
        seconds = min(STEPS[name].seconds * args.minutes / 10, end - time.monotonic())
        job = Job(device, sizes, max(seconds, 0), args.clips)
        outcomes.append(run_step(name, job, rows_file))
        text = rows_file.read_text(encoding='utf-8') if rows_file.exists() else ''
        rows = [json.loads(line) for line in text.splitlines()]
        results = dict(machine=machine, steps=[asdict(x) for x in outcomes], rows=rows)
        write_json(args.out / 'gpu_check.json', results)
        write_atomically(table(machine, outcomes, rows), args.out / 'gpu_check.md')
        print(f'{name}: {outcomes[-1].status} after {outcomes[-1].seconds:.0f} s', flush=True)
    print('\n' + table(machine, outcomes, rows))
    fine = all(x.status == 'done' for x in outcomes) and all(row['holds'] for row in rows)
    return 0 if fine else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    args = parse_args(arguments)
    with short_errors(args.debug):
        return run(args)


if __name__ == '__main__':
    sys.exit(main())
