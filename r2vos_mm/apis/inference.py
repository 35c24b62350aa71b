"""Segment videos with a model."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from torch import Tensor

from r2vos_mm.datasets import normalize_text
from r2vos_mm.datasets.io.frames import FrameSource
from r2vos_mm.datasets.io.sources import FrameInput, open_frames
from r2vos_mm.models.segmentors import ReferringVideoSegmentor
from r2vos_mm.models.utils import WindowFeatures, split_windows
from r2vos_mm.utils.formats.expressions import is_text
from r2vos_mm.utils.logging import quiet, warn
from r2vos_mm.utils.precision import Precision, log_precision, resolve_precision

from .results.reading import result_of
from .results.video_segmentation import VideoSegmentation

# For configs whose frames_per_pass is None: whole videos at once may exceed the memory.
DEFAULT_FRAMES_PER_PASS = 36

# Transforms of files, ground truth and expressions, which these frames do not have.
_NOT_PER_FRAME = (
    'LoadVideoFrame',
    'DecodeVideoFrames',
    'LoadMasks',
    'LoadObjectMask',
    'LoadTargetMasks',
    'CorruptFrames',
    'CorruptExpressions',
    'CorruptSentences',
    'PackReferringInputs',
    'PackTargetInputs',
)


class StageClock:
    """A clock that is read at the end of each stage.

    Attributes:
        seconds: total seconds of ``decode``, ``preprocess``, ``model`` and ``postprocess``.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(('decode', 'preprocess', 'model', 'postprocess'), 0.0)
        self._last = time.perf_counter()

    def end(self, stage: str) -> None:
        """Add the time since the last reading to a stage."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now


@quiet()
def segment_video(
    model: ReferringVideoSegmentor,
    frames: FrameInput,
    texts: str | Sequence[str] | None = None,
    *,
    frames_per_pass: int | None = None,
    cut_as_stream: bool = False,
    compress: bool = False,
    precision: str = 'auto',
    on_progress: Callable[[int, int], None] | None = None,
    window: int | None = None,
    sentences: str | Sequence[str] | None = None,
) -> VideoSegmentation:
    """Segment the objects that expressions name in a video.

    Frames are decoded, resized and passed through the model in windows. The masks of all N queries
    are kept at a quarter of the network's resolution until the end, because the query is chosen by
    its scores in all windows; beyond ``model.test_cfg.mask_memory`` megabytes, they are kept in a
    temporary file. What grows with the video is the result: up to two bytes per pixel, frame and
    expression as an array, a few kilobytes per frame and expression with ``compress``.

    Args:
        model: of :func:`init_model`.
        frames: folder of images, video file, T arrays (H0, W0, 3) uint8 RGB, or anything else
            that :func:`open_frames` takes.
        texts: one or P expressions; case and repeated spaces are removed as in training.
        frames_per_pass: maximum number of frames that pass through the model together, in windows
            of nearly equal length. None takes ``model.test_cfg.frames_per_pass`` of the config, or
            36 if that is None.
        cut_as_stream: cut windows of exactly ``frames_per_pass`` frames, the last one shorter, as
            :func:`.stream_video` does.
        compress: return masks as :class:`.CompressedMasks`, which are indexed like an array.
        precision: ``auto``, ``float32`` or ``bfloat16`` (autocast), see :func:`model_precision`.
        on_progress: called with (frames done, T) after each window.
        window, sentences: former names of ``frames_per_pass`` and ``texts``.

    Returns:
        Masks, scores, boxes and verdicts of all expressions. If a video is damaged, they are those
        of the frames before the damage, with a warning.

    Raises:
        FileNotFoundError: the path does not exist.
        DataFileError: folder without frames, broken image, unreadable video; the message
            names the file.
        ValueError: no expression or an empty one, wrong arrays, frames_per_pass or precision.
    """
    clock = StageClock()
    texts = checked_texts(texts if sentences is None else sentences)
    frames_per_pass = window if frames_per_pass is None else frames_per_pass
    source = opened_source(frames)
    size = next(iter(source)).shape[:2]
    clock.end('decode')
    options = dict(cut_as_stream=cut_as_stream, on_progress=on_progress, clock=clock)
    features = features_of(model, source, checked_length(model, frames_per_pass), **options)
    with autocast(model, precision), model.collect(features, texts) as video:
        result = result_of(video, source, texts, size, compress=compress)
    clock.end('postprocess')  # masks are read after the last window
    return replace(result, speed=clock.seconds)


def opened_source(frames: FrameInput) -> FrameSource:
    """Return the frames of a video; log a warning about what is missing from a damaged one."""
    source = open_frames(frames)
    if source.problem is not None and source is not frames:
        warn(f'{frames}: {source.problem}')
    return source


def checked_length(model: ReferringVideoSegmentor, frames_per_pass: int | None) -> int:
    """Return the number of frames that pass together; None is that of the config, or 36.

    Raises:
        ValueError: it is less than 1.
    """
    if frames_per_pass is not None and frames_per_pass < 1:
        raise ValueError(f'frames_per_pass must be at least 1, got {frames_per_pass}')
    return frames_per_pass or model.test_cfg.frames_per_pass or DEFAULT_FRAMES_PER_PASS


def checked_texts(texts: str | Sequence[str] | None) -> list[str]:
    """Return expressions in the form that training uses.

    Raises:
        ValueError: there is none, or one has no text; the message names it.
    """
    given = [texts] if isinstance(texts, str) else list(texts or ())
    if not given:
        raise ValueError('there are no expressions: give at least one')
    for position, text in enumerate(given):
        if not is_text(text):
            raise ValueError(
                f'expression {position} of {len(given)} is {text!r}: give text without lone '
                'surrogates'
            )
    return [normalize_text(text) for text in given]


def model_precision(model: ReferringVideoSegmentor, requested: str | None = 'auto') -> Precision:
    """Choose the precision in which to run a model.

    Args:
        model: of :func:`init_model`.
        requested: ``bfloat16`` or ``float32``; ``auto`` (or None) follows the model's config: if
            its test runs in mixed precision, bfloat16 where the device computes it natively, else
            float32.

    Raises:
        ValueError: unknown value of ``requested``.
    """
    test_cfg = model.cfg.get('test_cfg') or {}
    mixed = 'Autocast' in str(test_cfg.get('type')) or bool(test_cfg.get('fp16'))
    if requested in (None, 'auto'):
        requested = test_cfg.get('dtype', 'auto') if mixed else 'auto'
    device = next(model.parameters()).device
    return resolve_precision(requested, device, mixed_precision=mixed)


def autocast(
    model: ReferringVideoSegmentor, precision: str | None = 'auto'
) -> contextlib.AbstractContextManager:
    """Return an autocast context of :func:`model_precision`, and log the precision."""
    chosen = model_precision(model, precision)
    device = next(model.parameters()).device.type
    log_precision(chosen, device)
    return chosen.autocast(device)


def pipeline_of(cfg: Config) -> list[Mapping] | None:
    """Return the transforms of a config's test data set, or else its ``test_pipeline``."""
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    return dataset.get('pipeline') or cfg.get('test_pipeline')


class FrameTransform:
    """Apply what the config's test pipeline does to the image of each frame, commonly a resize.

    Args:
        cfg: config with ``test_dataloader.dataset.pipeline``, or else ``test_pipeline``.

    Raises:
        ValueError: the config has neither.
    """

    def __init__(self, cfg: Config) -> None:
        pipeline = pipeline_of(cfg)
        if not pipeline:
            raise ValueError(
                f'config {cfg.filename} has neither test_dataloader.dataset.pipeline '
                'nor test_pipeline, so the size of the frames is unknown'
            )
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'r2vos_mm')):
            self.steps = Compose(
                [step for step in _flat(pipeline) if _type_name(step) not in _NOT_PER_FRAME]
            )

    def __call__(self, frame: np.ndarray) -> Tensor:
        """Transform (H0, W0, 3) uint8 RGB to (3, H, W) uint8 RGB."""
        shape = frame.shape[:2]
        image = np.ascontiguousarray(frame[..., ::-1])
        results = self.steps(dict(img=image, img_shape=shape, ori_shape=shape))
        return torch.from_numpy(np.ascontiguousarray(results['img'][..., ::-1].transpose(2, 0, 1)))


def _flat(pipeline: Sequence[Mapping]) -> Iterator[Mapping]:
    """Yield the transforms of a pipeline, including those in broadcasters."""
    for step in pipeline:
        if _type_name(step) == 'TransformBroadcaster':
            yield from _flat(step['transforms'])
        else:
            yield step


def _type_name(step: Mapping) -> str:
    kind = step['type']
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__


def features_of(
    model: ReferringVideoSegmentor,
    source: FrameSource,
    frames_per_pass: int,
    *,
    cut_as_stream: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    clock: StageClock | None = None,
) -> Iterator[WindowFeatures]:
    """Yield the features of each window of a video, which do not depend on the text.

    ``clock`` measures stages, other arguments are those of :func:`segment_video`.
    """
    clock, frames = clock or StageClock(), iter(source)
    reader = WindowReader(model, frames_per_pass)
    clock.end('model')  # the expressions
    for part in split_windows(len(source), frames_per_pass, full=cut_as_stream):
        images = []
        for _ in range(part.start, part.stop):
            frame = next(frames)
            clock.end('decode')
            images.append(reader.resize(frame))
            clock.end('preprocess')
        window = reader.window(images)
        clock.end('preprocess')
        yield reader.features(window)
        clock.end('model')
        if on_progress is not None:
            on_progress(part.stop, len(source))


class WindowReader:
    """Prepare windows of frames, and compute their features, which do not depend on the text.

    Attributes:
        resize: transforms one frame, see :class:`FrameTransform`.

    Raises:
        ValueError: see :class:`FrameTransform`.
    """

    def __init__(self, model: ReferringVideoSegmentor, frames_per_pass: int) -> None:
        self.model, self.frames_per_pass = model, frames_per_pass
        self.resize = FrameTransform(model.cfg)

    def window(self, images: Sequence[Tensor]) -> Tensor:
        """Return a window (T, 3, H, W), normalized and on the model's device, of resized images."""
        clip = torch.stack(list(images))
        height, width = clip.shape[-2:]
        batch = self.model.data_preprocessor(dict(inputs=[clip]), False)
        return batch['inputs'][0][..., :height, :width]

    def features(self, window: Tensor) -> WindowFeatures:
        """Return the features of a window."""
        return self.model.extract_window(window, frames_per_pass=self.frames_per_pass)
