"""Segment streams of frames window by window, with a verdict that takes in all frames so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from r2vos_mm.datasets.io.frames import ArrayFrames, FrameSource, FrameStream
from r2vos_mm.datasets.io.sources import FrameInput, open_stream
from r2vos_mm.datasets.io.streams import IteratorFrames
from r2vos_mm.models.segmentors import ReferringVideoSegmentor
from r2vos_mm.models.utils import Evidence, VideoPredictions, WindowFeatures, read_window
from r2vos_mm.structures import TextFeatures
from r2vos_mm.utils.logging import quiet, warn

from ..inference import (
    StageClock,
    WindowReader,
    autocast,
    checked_length,
    checked_texts,
    model_precision,
)
from ..results.mask_records import MaskRecord
from ..results.reading import read_masks
from ..results.video_segmentation import Range, VideoSegmentation, joined_ranges
from .windows import NumberedFrame, WindowsAhead, WindowsOnDemand

_WINDOWS_KEPT = 1000


@dataclass(frozen=True, eq=False, repr=False)
class StreamPart(VideoSegmentation):
    """Masks, scores and verdicts of P expressions for one window of a stream.

    It is a :class:`VideoSegmentation` of the window's frames, but its ``consensus``, and with it
    ``found`` and ``masks``, and its ``queries`` are those of all frames so far. The last part of a
    stream therefore has the final ones. ``window_consensus`` (P, 1) is that of the window alone.

    Attributes:
        first_frame: number of frames in earlier parts.
        windows_seen: number of windows so far.
        frames_dropped: number of frames that were dropped so far, see :func:`stream_video`.
        ranges_found: for each expression the ranges of frames, as numbers in the source, whose
            windows contain it, of the last 1,000 windows so far.
    """

    first_frame: int = 0
    windows_seen: int = 1
    frames_dropped: int = 0
    ranges_found: list[list[Range]] = field(default_factory=list)

    @property
    def frame_ids(self) -> list[str]:
        """Names of the window's frames: their numbers in the source, or the names of files."""
        return self.frame_names

    @property
    def frames_seen(self) -> int:
        """Number of frames that consensus and verdict are based on."""
        return self.first_frame + len(self.frame_names)

    @property
    def verdict(self) -> np.ndarray:
        """Verdicts (P,) bool so far, the same as ``found``."""
        return self.found

    @property
    def window_found(self) -> np.ndarray:
        """Verdicts (P,) bool of this window alone."""
        return self.window_consensus[:, 0] >= self.gate_threshold

    @property
    def windows_found(self) -> list[list[Range]]:
        """The same as ``ranges_found``."""
        return self.ranges_found

    def records(self) -> list[MaskRecord]:
        """See the base class; parts of a stream are joined by their ``first_frame``."""
        return [replace(record, first_frame=self.first_frame) for record in super().records()]


def stream_video(
    model: ReferringVideoSegmentor,
    frames: FrameInput,
    texts: str | Sequence[str],
    *,
    frames_per_pass: int = 36,
    latest_only: bool = False,
    threshold: float | None = None,
    compress: bool = False,
    precision: str = 'auto',
) -> Iterator[StreamPart]:
    """Segment the objects that expressions name in a stream, window by window.

    Memory does not grow with the number of frames. Each window's masks are those of the query with
    the highest score so far, and are emptied by the verdict so far; both may change later, but
    parts that were yielded do not. Given the same windows (``cut_as_stream``),
    :func:`segment_video` has the same masks wherever query and verdict agree with its own.

    Cameras, network streams, pipes and files are read in a thread, at most ``frames_per_pass``
    frames ahead. Generators are asked for a frame when one is needed, unless ``latest_only`` is
    set. Closing the iterator, by leaving a ``for`` loop over it or by Ctrl-C, ends the thread and
    closes the source.

    Args:
        model: of :func:`init_model`.
        frames: what :func:`open_stream` takes: video file, folder, camera, address, ``'-'`` for
            standard input, generator of frames, ...
        texts: one or P expressions.
        frames_per_pass: frames that pass through the model together; the last window is shorter if
            the stream ends within it. Fewer frames mean less delay and less memory.
        latest_only: where frames arrive faster than the model takes them, drop the oldest, so that
            each window holds the latest consecutive frames. By default no frame is dropped: the
            source waits, or buffers on its own.
        threshold: consensus below it means 'not in the video'; None takes that of the config.
        compress: give masks as :class:`CompressedMasks`.
        precision: see :func:`segment_video`.

    Returns:
        An iterator of parts. If the source raises an error, the frames before it come first.

    Raises:
        FileNotFoundError, DataFileError: see :func:`open_source`.
        ValueError: no expression or an empty one, wrong frames, frames_per_pass, threshold or
            precision.
    """
    frames_per_pass = checked_length(model, frames_per_pass)
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f'threshold is a probability, got {threshold}')
    model_precision(model, precision)
    threshold = model.test_cfg.gate_threshold if threshold is None else threshold
    reader = WindowReader(model, frames_per_pass)
    stream = _Stream(model, checked_texts(texts), reader, threshold, compress, precision)
    return stream.parts(open_stream(frames), latest_only=latest_only)


@dataclass
class _Stream:
    """State of a stream after the windows so far; see :func:`stream_video`."""

    model: ReferringVideoSegmentor
    texts: list[str]
    reader: WindowReader
    threshold: float
    compress: bool
    precision: str
    text: TextFeatures | None = None
    evidence: Evidence | None = None
    windows: deque[tuple[Range, np.ndarray]] = field(
        default_factory=lambda: deque(maxlen=_WINDOWS_KEPT)
    )

    def parts(self, source: FrameStream, *, latest_only: bool) -> Iterator[StreamPart]:
        """Yield the parts of a source."""
        if isinstance(source, (ArrayFrames, IteratorFrames)) and not latest_only:
            windows = WindowsOnDemand(source, self.reader.frames_per_pass)
        else:
            windows = WindowsAhead(source, self.reader.frames_per_pass, latest_only=latest_only)
        with windows:
            clock = StageClock()
            for window in windows:
                clock.end('decode')
                part = self.part_of(window, source, clock)
                yield replace(part, frames_dropped=windows.num_dropped)
                clock = StageClock()
        if self.evidence is None:
            warn(f'{source.title} gave no frame')

    @quiet()
    @torch.no_grad()
    def part_of(
        self, window: Sequence[NumberedFrame], source: FrameStream, clock: StageClock
    ) -> StreamPart:
        """Segment the next window and take it into account."""
        numbers, frames = zip(*window, strict=True)
        shape = (len(self.texts), *np.shape(frames)[:3])
        clip = self.reader.window([self.reader.resize(frame) for frame in frames])
        clock.end('preprocess')
        with autocast(self.model, self.precision):
            features = self.reader.features(clip)
            predictions, alone = self._predict(features)
            clock.end('model')
            best = self.evidence.best_queries()
            options = dict(config=self.model.test_cfg, input_size=features.input_size)
            read = read_window(predictions, best, shape[2:], **options)
            masks, pairs = read_masks(read, shape, compress=self.compress)
        verdicts = self._verdicts(alone, (numbers[0], numbers[-1] + 1))
        clock.end('postprocess')
        return StreamPart(
            video=source.title,
            frame_names=frame_names_of(source, numbers),
            texts=self.texts,
            ungated_masks=masks,
            scores=pairs.scores.float().numpy(),
            boxes=pairs.boxes.float().numpy(),
            queries=best.numpy(),
            fps=source.fps,
            speed=clock.seconds,
            source=ArrayFrames(frames, source.title),
            first_frame=self.evidence.num_frames - len(frames),
            windows_seen=self.evidence.num_windows,
            **verdicts,
        )

    def _predict(self, features: WindowFeatures) -> tuple[VideoPredictions, Evidence]:
        """Return the predictions and the evidence of a window; add the latter to that so far."""
        if self.text is None:
            self.text = self.model.encode_text(self.texts)
        predictions = self.model.predict_features(features, self.text)
        alone = Evidence.of(predictions)
        self.evidence = alone if self.evidence is None else self.evidence + alone
        return predictions, alone

    def _verdicts(self, alone: Evidence, span: Range) -> dict[str, Any]:
        """Return the verdict so far, and that of a window alone, as fields of its part."""
        consensus = alone.consensus(self.model.test_cfg).numpy()
        self.windows.append((span, consensus >= self.threshold))
        spans, found = zip(*self.windows, strict=True)
        return dict(
            consensus=self.evidence.consensus(self.model.test_cfg).numpy(),
            judged=self.evidence.is_judged(self.model.test_cfg),
            gate_threshold=self.threshold,
            windows=[span],
            window_consensus=consensus[:, None],
            ranges_found=[joined_ranges(spans, row) for row in np.stack(found, axis=1)],
        )


def frame_names_of(source: FrameStream, numbers: Sequence[int]) -> list[str]:
    """Return the names of frames by their numbers."""
    if isinstance(source, FrameSource):
        return [source.names[number] for number in numbers]
    return [f'{number:05d}' for number in numbers]
