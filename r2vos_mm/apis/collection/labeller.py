"""Segment the videos of a collection with a model, whole or span by span."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from r2vos_mm.datasets.io.frames import FrameStream
from r2vos_mm.datasets.io.sources import open_stream
from r2vos_mm.models.segmentors import ReferringVideoSegmentor
from r2vos_mm.models.utils import CollectedVideo, Evidence, WindowFeatures
from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.logging import quiet
from r2vos_mm.utils.state_dict import tensor_bytes

from ..inference import (
    WindowReader,
    autocast,
    checked_length,
    checked_texts,
    model_precision,
    pipeline_of,
)
from ..model_loading import init_model, resolve_model
from ..results.mask_records import mask_records
from ..results.reading import consensus_by_window, read_masks
from ..results.video_segmentation import joined_ranges
from ..streaming.stream import frame_names_of
from ..streaming.windows import WindowsAhead
from .manifest import Job, Span
from .work import Part, Row


class VideoLabeller:
    """Segment videos with a model of this package.

    Windows are cut as in a stream, from the first frame of the job's span, so that rows are those
    of :func:`segment_video` with ``cut_as_stream=True`` and do not depend on the spans into which a
    video is split. A span keeps the masks of the queries that are best by its own windows; where
    other queries are best by all windows, :meth:`join` segments it again.

    Args:
        model, weights: see :class:`R2VOSInferencer`; or a model of :func:`init_model`, to which
            the other arguments but ``dtype`` and ``frames_per_pass`` do not apply.
        device: ``auto`` takes the GPU of the process: that of ``LOCAL_RANK`` or ``SLURM_LOCALID``.
        dtype: see :func:`.inference.model_precision`.
        frames_per_pass: frames of a window; None takes that of the config.
        threshold: consensus below it means 'not in the video'; None takes that of the config.
        cfg_options: settings that override the config.

    Raises:
        UsageError, FileNotFoundError, ValueError: see :func:`init_model`.
    """

    def __init__(
        self,
        model: str | Path | Config | ReferringVideoSegmentor,
        weights: str | Path | None = None,
        *,
        device: str = 'auto',
        dtype: str = 'auto',
        frames_per_pass: int | None = None,
        threshold: float | None = None,
        cfg_options: dict[str, Any] | None = None,
    ) -> None:
        if not isinstance(model, torch.nn.Module):
            options = dict(cfg_options or {})
            if threshold is not None:
                options['model.test_cfg.gate_threshold'] = threshold
            source = resolve_model(model, weights)
            model = init_model(*source, device=own_device(device), cfg_options=options)
        self.model = model
        self.frames_per_pass = checked_length(self.model, frames_per_pass)
        self.dtype = dtype
        self.settings = dict(
            checkpoint=weights_digest(self.model),
            threshold=self.model.test_cfg.gate_threshold,
            frames_per_pass=self.frames_per_pass,
            dtype=model_precision(self.model, dtype).name,
            config=_plain(self.model.cfg),
        )

    @quiet()
    def label_span(self, job: Job, span: Span, queries: Sequence[int] | None = None) -> Part:
        """See :class:`.work.Labeller`; ``queries`` (P,) are those whose masks are kept.

        Raises:
            FileNotFoundError, DataFileError, ValueError: see :func:`.sources.open_source`.
        """
        texts, source = checked_texts(job.texts), open_stream(job.path)
        if source.is_live:
            raise ValueError(f'{source.title} has no end: segment it with r2vos stream')
        frames = _FramesBetween(source, *span)
        with WindowsAhead(frames, self.frames_per_pass) as windows:
            features = self._features(windows)
            with autocast(self.model, self.dtype), self.model.collect(features, texts) as video:
                return self._part(video, frames, len(texts), queries) if video.windows else {}

    def join(self, job: Job, spans: Sequence[Span], parts: Sequence[Part]) -> list[Row]:
        """See :class:`.work.Labeller`.

        Raises:
            DataFileError: there is no frame, or sizes of frames differ.
        """
        filled = [(span, part) for span, part in zip(spans, parts, strict=True) if part]
        _check_frames(job, spans, [part for _, part in filled])
        windows = [_evidence(window) for _, part in filled for window in part['windows']]
        evidence, config = sum(windows[1:], start=windows[0]), self.model.test_cfg
        queries = evidence.best_queries().tolist()
        parts = [
            part if part['queries'] == queries else self.label_span(job, span, queries)
            for span, part in filled
        ]
        consensus = evidence.consensus(config).numpy()
        found = consensus >= config.gate_threshold
        records = mask_records(
            [_Codes(parts, p) for p in range(len(queries))],
            video=job.shown,
            texts=checked_texts(job.texts),
            frames=[name for part in parts for name in part['frames']],
            size=parts[0]['size'],
            found=found,
            consensus=consensus if evidence.is_judged(config) else None,
            scores=np.concatenate([part['scores'] for part in parts], axis=1),
        )
        ranges, alone = consensus_by_window(windows, config)
        is_found = alone >= config.gate_threshold
        return [
            dict(id=job.id, windows_found=joined_ranges(ranges, is_found[p])) | record.as_dict()
            for p, record in enumerate(records)
        ]

    def _features(self, windows: WindowsAhead) -> Iterator[WindowFeatures]:
        reader = WindowReader(self.model, self.frames_per_pass)
        for window in windows:
            images = [reader.resize(frame) for _, frame in window]
            yield reader.features(reader.window(images))

    def _part(
        self,
        video: CollectedVideo,
        frames: _FramesBetween,
        num_texts: int,
        queries: Sequence[int] | None,
    ) -> Part:
        evidence = video.evidence
        best = evidence.best_queries() if queries is None else torch.tensor(queries)
        shape = (num_texts, evidence.num_frames, *frames.size)
        masks, pairs = read_masks(video.read(frames.size, best), shape, compress=True)
        numbers = range(frames.start, frames.start + evidence.num_frames)
        return dict(
            size=list(frames.size),
            frames=frame_names_of(frames.source, numbers),
            queries=best.tolist(),
            windows=[_as_json(window) for window in video.windows],
            scores=pairs.scores.tolist(),
            masks=[[masks.rle(p, t)['counts'] for t in range(shape[1])] for p in range(shape[0])],
        )


def _check_frames(job: Job, spans: Sequence[Span], parts: Sequence[Part]) -> None:
    """Raise DataFileError unless spans have frames, all of one size."""
    if not parts:
        raise DataFileError(f'{job.shown} has no frame in {list(spans[0])}: check its span')
    if len({tuple(part['size']) for part in parts}) > 1:
        raise DataFileError(f'{job.shown} has frames of several sizes: one video has one size')


class _FramesBetween:
    """The frames [start, stop) of a stream; ``size`` (H0, W0) is known after the first one."""

    def __init__(self, source: FrameStream, start: int, stop: int | None) -> None:
        self.source, self.start, self.stop = source, start, stop
        self.size = (0, 0)

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in islice(iter(self.source), self.start, self.stop):
            self.size = frame.shape[:2]
            yield frame


class _Codes:
    """Run-length codes of one expression in the frames of all parts of a video."""

    def __init__(self, parts: Sequence[Part], p: int) -> None:
        self.size = parts[0]['size']
        self.counts = [counts for part in parts for counts in part['masks'][p]]

    def rle(self, t: int) -> dict[str, Any]:
        """Return the code of frame ``t``."""
        return dict(size=self.size, counts=self.counts[t])


def own_device(device: str) -> str:
    """Return the GPU of this process for ``auto`` where there is one."""
    if device != 'auto' or not torch.cuda.is_available():
        return device
    rank = int(os.environ.get('LOCAL_RANK') or os.environ.get('SLURM_LOCALID') or 0)
    return f'cuda:{rank % torch.cuda.device_count()}'


def weights_digest(model: torch.nn.Module) -> str:
    """Return the SHA-256 of names, types and values of a model's weights."""
    state = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        state.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}'.encode())
        state.update(tensor_bytes(tensor))
    return state.hexdigest()


def _plain(config: Config) -> dict[str, Any]:
    """Return what results depend on in a config: the model, and the transforms of frames."""
    used = dict(model=config.get('model', {}), pipeline=pipeline_of(config))
    return json.loads(
        json.dumps(used, default=lambda value: getattr(value, '__name__', str(value)))
    )


def _as_json(window: Evidence) -> dict[str, Any]:
    return {
        name: value.tolist() if isinstance(value, torch.Tensor) else value
        for name, value in vars(window).items()
    }


def _evidence(content: dict[str, Any]) -> Evidence:
    return Evidence(
        **{
            name: torch.tensor(value, dtype=torch.float64) if isinstance(value, list) else value
            for name, value in content.items()
        }
    )
