"""Export the network that predicts one window of frames, and compare the file with the model."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor, nn

from r2vos_mm.datasets.io.sources import open_frames
from r2vos_mm.engine.model_index import content_root
from r2vos_mm.models.segmentors import ReferringVideoSegmentor
from r2vos_mm.structures import TextFeatures
from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.files import PathLike, atomic_path
from r2vos_mm.utils.lazy import import_extra

from .inference import FrameTransform

FORMATS = {'torch': '.pt2', 'onnx': '.onnx'}
TEXT_INPUTS = ('tokens', 'features')
ONNX_OPSET = 18
# Expressions of the sample video in configs/samples.
EXAMPLE_TEXTS = ('the large red square', 'the plain white circle on the left')
Function = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


class WindowNetwork(nn.Module):
    """The part of a model that predicts one window, with tensors in and out.

    Outputs by name: ``scores`` (P, T, N) logits, ``boxes`` (P, T, N, 4) cxcywh in [0, 1] (for
    models with boxes), ``masks`` (P, T, N, h, w) logits at the stride of the mask features and, for
    models with a verdict, ``misalignment_logit`` (P,).

    Args:
        model: the model; set to evaluation mode.
        text: what stands for the expressions: ``tokens`` includes the text encoder, ``features``
            leaves it out.

    Raises:
        UsageError: the text encoder cannot be included.
    """

    def __init__(self, model: ReferringVideoSegmentor, *, text: str = 'tokens') -> None:
        super().__init__()
        if text not in TEXT_INPUTS:
            raise UsageError(f'text={text!r} is unknown; choose from {", ".join(TEXT_INPUTS)}')
        if text == 'tokens' and model.word_maps is not None:
            raise UsageError('models with word_maps are exported with features of the text only')
        self.model, self.text = model.eval(), text

    def forward(
        self, frames: Tensor, num_frames: Tensor | None, text: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Predict P expressions for a window.

        Args:
            frames: (T, 3, H, W) uint8 RGB, of the size that the test pipeline gives.
            num_frames: () int64, frames of the window before those that fill it up to T, whose
                predictions have no meaning; None if all are of the window.
            text: ``input_ids`` and ``attention_mask`` (P, L) int64; or ``words`` (P, L, C),
                ``sentence`` (P, C), ``padding`` (P, L) bool and, for models with word maps,
                ``class_weights`` (P, K).
        """
        model, processor = self.model, self.model.data_preprocessor
        if self.text == 'tokens':
            features = model.text_encoder.encode_tokens(dict(text))
        else:
            features = TextFeatures(**text)
        clip = ((frames.float() - processor.mean) / processor.std)[None]
        clips = model.extract_clips(clip, [tuple(clip.shape[-2:])], num_frames=num_frames)
        to_clip = torch.zeros(len(features), dtype=torch.long, device=clip.device)
        queries, cycle, grounded = model._predict_pairs(clips, features, to_clip)
        outputs = dict(scores=queries.scores, boxes=queries.boxes, masks=queries.masks)
        if model.test_cfg.verdict == 'words':
            outputs['misalignment_logit'] = -grounded.evidence.presence
        elif cycle is not None:
            outputs['misalignment_logit'] = cycle.misalignment_logit
        return {name: value for name, value in outputs.items() if value is not None}

    def reference(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the outputs, computed from the window's own frames only."""
        frames, num_frames, text = _split(inputs)
        return self(frames[: int(num_frames)], None, text)

    def inputs(self, frames: Tensor, num_frames: int, texts: Sequence[str]) -> dict[str, Tensor]:
        """Return frames, their number and P expressions by the names of exported inputs."""
        window = dict(frames=frames, num_frames=torch.tensor(num_frames))
        if self.text == 'tokens':
            tokens = self.model.text_encoder.tokenize(list(texts))
            return window | {name: tokens[name] for name in ('input_ids', 'attention_mask')}
        with torch.no_grad():
            text = self.model.encode_text(list(texts))
        names = ('words', 'sentence', 'padding', 'class_weights')
        text = {name: getattr(text, name) for name in names}
        return window | {name: value.detach() for name, value in text.items() if value is not None}


class Example(NamedTuple):
    """Inputs of a model with a name that reports show."""

    name: str
    inputs: dict[str, Tensor]


@dataclass(frozen=True)
class OutputDifference:
    """Difference between an exported file and the model for one output of one example.

    Attributes:
        example: name of the example.
        output: name of the output.
        largest: largest absolute difference, over the frames that are not padding.
        relative: the same, divided by the largest value of the output if that exceeds 1.
    """

    example: str
    output: str
    largest: float
    relative: float


@dataclass(frozen=True)
class Comparison:
    """Result of :func:`compare_export`.

    Attributes:
        differences: of all outputs and examples.
        model_seconds, file_seconds: time of a full window in PyTorch and in the runtime of the
            file, each the shortest over the examples; NaN if none is full.
    """

    differences: list[OutputDifference]
    model_seconds: float
    file_seconds: float

    def is_within(self, tolerance: float) -> bool:
        """Return whether all relative differences are at most ``tolerance``."""
        return all(difference.relative <= tolerance for difference in self.differences)


def export_model(
    network: WindowNetwork, inputs: Mapping[str, Tensor], path: PathLike, *, format: str
) -> None:
    """Write a network as a file for ``torch.export.load`` or for ONNX runtimes.

    Frames, their size and the number of expressions are those of ``inputs``; the number of words is
    free. The thresholds and the shapes are stored with the file, as JSON under ``r2vos_mm``.

    Raises:
        UsageError: PyTorch is too old.
        MissingExtraError: packages for ONNX are missing.
    """
    if not hasattr(torch.export, 'Dim') or not hasattr(torch.export.Dim, 'DYNAMIC'):
        raise UsageError(f'export needs PyTorch 2.6 or later, this is {torch.__version__}')
    frames, num_frames, text = _split(inputs)
    words = {1: torch.export.Dim.DYNAMIC}  # their number is free
    fixed = ('sentence', 'class_weights')
    shapes = None, None, {name: None if name in fixed else words for name in text}
    with torch.no_grad():
        options = dict(dynamic_shapes=shapes, strict=False)
        program = torch.export.export(network, (frames, num_frames, text), **options)
    description = json.dumps(_description(network, inputs))
    with atomic_path(path) as temporary:
        if format == 'torch':
            torch.export.save(program, temporary, extra_files={'r2vos_mm': description})
        else:
            _save_onnx(program, temporary, list(inputs), description)


def load_export(path: PathLike) -> Function:
    """Return a function from the inputs of an exported file to its outputs, on the CPU.

    Raises:
        UsageError: the format is unknown.
        MissingExtraError: the runtime of ONNX is missing.
    """
    path = Path(path)
    if path.suffix == FORMATS['onnx']:
        return _load_onnx(path)
    if path.suffix != FORMATS['torch']:
        raise UsageError(f'{path}: the suffix is none of {", ".join(FORMATS.values())}')
    module = torch.export.load(path).module()

    def run(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        frames, num_frames, text = _split(inputs)
        with torch.no_grad():
            return module(frames, num_frames, text)

    return run


def compare_export(
    network: WindowNetwork, path: PathLike, examples: Sequence[Example]
) -> Comparison:
    """Compare an exported file with the model, which gets the windows without padding."""
    run, differences, times = load_export(path), [], {}
    for example in examples:
        count = int(example.inputs['num_frames'])
        # the model gets the frames of a short window only, which takes less time
        is_full = count == len(example.inputs['frames'])
        with torch.no_grad():
            expected = _timed(times if is_full else {}, 'model', network.reference, example.inputs)
        found = _timed(times if is_full else {}, 'file', run, example.inputs)
        for name, value in expected.items():
            part = found[name][:, :count] if value.dim() > 1 else found[name]
            largest = (part - value).abs().max().item()
            scale = max(1.0, value.abs().max().item())
            differences.append(OutputDifference(example.name, name, largest, largest / scale))
    seconds = (min(times.get(name, [math.nan])) for name in ('model', 'file'))
    return Comparison(differences, *seconds)


def read_example_frames(
    cfg: Config, video: PathLike | None, count: int, *, size: Sequence[int] | None = None
) -> Tensor:
    """Return at most ``count`` frames of a video as the network takes them, (T, 3, H, W) uint8.

    They are resized by the config's test pipeline and then to ``size`` (H, W). A video of None is
    the sample video in configs/samples.
    """
    if video is None:
        video = content_root() / 'configs/samples/refshapes.mp4'
    resize = FrameTransform(cfg)
    frames = torch.stack([resize(frame) for frame in islice(open_frames(video), count)])
    if size is None or frames.shape[-2:] == tuple(size):
        return frames
    frames = F.interpolate(frames.float(), tuple(size), mode='bilinear', align_corners=False)
    return frames.round().byte()


def export_examples(
    network: WindowNetwork, frames: Tensor, length: int, texts: Sequence[str]
) -> list[Example]:
    """Return examples of one shape: frames of a video and random ones, full and short windows.

    Windows have ``length`` frames. The P expressions of the video, their words in reverse order, go
    with random frames.
    """
    generator = torch.Generator().manual_seed(0)
    shape = length, *frames.shape[1:]
    noise = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    reverse = [' '.join([*reversed(text.split()), 'thing']) for text in texts]
    windows = {
        'video': (frames[:length], texts),
        'video, one frame': (frames[:1], texts),
        'random': (noise, reverse),
        'random, one frame': (noise[:1], reverse),
    }
    return [
        Example(name, network.inputs(_filled_up(some, length), len(some), expressions))
        for name, (some, expressions) in windows.items()
    ]


def _filled_up(frames: Tensor, length: int) -> Tensor:
    """Return (T, 3, H, W) frames with black ones after the last."""
    return torch.cat((frames, frames.new_zeros(length - len(frames), *frames.shape[1:])))


def _split(inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    text = {k: v for k, v in inputs.items() if k not in ('frames', 'num_frames')}
    return inputs['frames'], inputs['num_frames'], text


def _description(network: WindowNetwork, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
    settings = network.model.test_cfg
    return dict(
        inputs={name: list(value.shape) for name, value in inputs.items()},
        gate_threshold=settings.gate_threshold,
        mask_threshold=settings.mask_threshold,
    )


def _save_onnx(
    program: torch.export.ExportedProgram, path: Path, inputs: list[str], description: str
) -> None:
    import_extra('onnxscript', 'export')
    outputs = list(program.call_spec.out_spec.context)
    onnx = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=ONNX_OPSET,
        input_names=inputs,
        output_names=outputs,
        verbose=False,
    )
    onnx.model.metadata_props['r2vos_mm'] = description
    onnx.save(str(path), external_data=False)


def _load_onnx(path: Path) -> Function:
    runtime = import_extra('onnxruntime', 'export')
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        arrays = {name: value.numpy() for name, value in inputs.items()}
        return dict(zip(names, map(torch.from_numpy, session.run(names, arrays)), strict=True))

    return run


def _timed(times: dict[str, list[float]], name: str, function: Function, inputs: Any) -> Any:
    start = time.perf_counter()
    result = function(inputs)
    times.setdefault(name, []).append(time.perf_counter() - start)
    return result
