"""Segment videos of any kind with one object that follows MMEngine's inferencers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.infer import BaseInferencer
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer

from r2vos_mm.datasets.io.frames import FrameSource, FrameStream
from r2vos_mm.datasets.io.sources import (
    FrameInput,
    open_frames,
    open_source,
    open_sources,
    open_stream,
)
from r2vos_mm.engine.model_index import listed_names
from r2vos_mm.registry import INFERENCERS, VISUALIZERS
from r2vos_mm.structures import ReferringDataSample
from r2vos_mm.utils.cli import Progress, check_writable
from r2vos_mm.utils.files import PathLike
from r2vos_mm.utils.logging import warn

from .inference import (
    DEFAULT_FRAMES_PER_PASS,
    FrameTransform,
    checked_texts,
    model_precision,
    segment_video,
)
from .model_loading import init_model, resolve_model
from .opened_video import OpenedVideo, open_video
from .results.video_segmentation import DEFAULT_FPS, VideoSegmentation, check_names
from .streaming.stream import StreamPart, stream_video

_SCOPE = 'r2vos_mm'


@INFERENCERS.register_module()
class R2VOSInferencer(BaseInferencer):
    """Segment the objects that expressions name in videos, with a verdict for each expression.

    Args:
        model: name or alias of :meth:`list_models`, config file, folder of ``save_pretrained``, or
            a checkpoint that the authors of R2-VOS, ReferFormer or MTTR released.
        weights: checkpoint, file or address; None takes those of the model index.
        device: ``auto`` (or None) takes a GPU if there is one; or ``cpu``, ``cuda:1``.
        scope: scope of the registries.
        show_progress: whether to show progress on stderr.
        dtype: ``auto``, ``float32`` or ``bfloat16``, see :func:`.inference.model_precision`.
        cfg_options: settings that override the config.

    Raises:
        UsageError: unknown model or device, or a listed model without weights.
        FileNotFoundError, CheckpointReadError, CheckpointMismatchError: see :func:`init_model`.

    Examples:
        >>> seg = R2VOSInferencer('r2vos_tiny', device='cpu', show_progress=False)
        >>> sample = 'configs/samples/refshapes.mp4'
        >>> out = seg(sample, texts=['the large red square', 'a small blue ring'])
        >>> out['predictions'][0].found.tolist()
        [True, False]
    """

    preprocess_kwargs = {'vid_stride'}
    forward_kwargs = {'texts', 'threshold', 'frames_per_pass', 'cut_as_stream'}
    visualize_kwargs = {'return_vis', 'show'}
    postprocess_kwargs = {'out_dir', 'save', 'print_result'}

    def __init__(
        self,
        model: str | Path | Config,
        weights: PathLike | None = None,
        device: str | torch.device | None = 'auto',
        scope: str | None = _SCOPE,
        show_progress: bool = True,
        *,
        dtype: str | torch.dtype = 'auto',
        cfg_options: dict[str, Any] | None = None,
    ) -> None:
        self._given = resolve_model(model, weights)
        self._cfg_options = cfg_options
        # The base class draws a bar over videos; ours counts frames.
        super().__init__(Config(), None, device or 'auto', scope, show_progress=False)
        self.cfg, self.shows_progress = self.model.cfg, show_progress
        self.dtype = str(dtype).removeprefix('torch.')
        model_precision(self.model, self.dtype)

    def __call__(
        self,
        inputs: FrameInput,
        return_datasamples: bool = False,
        batch_size: int = 1,
        *,
        texts: str | Sequence[str],
        threshold: float | None = None,
        return_vis: bool = False,
        show: bool = False,
        out_dir: PathLike = '',
        save: str | Sequence[str] = ('masks', 'json'),
        vid_stride: int = 1,
        frames_per_pass: int | None = None,
        cut_as_stream: bool = False,
        print_result: bool = False,
    ) -> dict[str, Any]:
        """Segment one or several videos.

        Args:
            inputs: what :func:`.sources.open_sources` takes: image, folder, video file, address,
                arrays, generator, ...; or a list or a glob pattern of videos. Sources without end
                are for :meth:`stream`.
            return_datasamples: return :class:`ReferringDataSample` objects instead of results.
            batch_size: videos per chunk; the frames of one video pass at a time in any case.
            texts: one or P expressions, the same for all videos.
            threshold: consensus below it means 'not in the video'; None takes that of the config.
                :meth:`VideoSegmentation.with_threshold` changes it without running again.
            return_vis: return the drawn frames, an array (T, h, w, 3) uint8 RGB per video.
            show: show the drawn frames in a window.
            out_dir: folder to write to, with a folder per video if there are several; '' writes
                nothing.
            save: what to write there, see :meth:`VideoSegmentation.save`.
            vid_stride: take every n-th frame, starting with the first.
            frames_per_pass: maximum number of frames that pass through the model together; None
                takes that of the config.
            cut_as_stream: cut windows of exactly ``frames_per_pass`` frames, as a stream does; by
                default they are of nearly equal length.
            print_result: print a table of the verdicts.

        Returns:
            ``predictions``, a list of :class:`VideoSegmentation`, whose masks are
            :class:`CompressedMasks`; and ``visualization``, a list of arrays, or None.

        Raises:
            TypeError: unknown keyword.
            ValueError: no text, unknown name in ``save``, or a source without end.
            FileNotFoundError, DataFileError: see :func:`.sources.open_source`.
            UsageError: ``out_dir`` cannot be written, or no window be opened.
        """
        checked_texts(texts)
        save = [save] if isinstance(save, str) else save
        if out_dir:
            check_names(save)
            check_writable(out_dir, what='out_dir', is_folder=True)
        return super().__call__(
            inputs,
            return_datasamples,
            batch_size,
            vid_stride=vid_stride,
            texts=texts,
            threshold=threshold,
            frames_per_pass=frames_per_pass,
            cut_as_stream=cut_as_stream,
            return_vis=return_vis,
            show=show,
            out_dir=out_dir,
            save=save,
            print_result=print_result,
        )

    def stream(
        self,
        inputs: FrameInput,
        texts: str | Sequence[str],
        *,
        frames_per_pass: int = DEFAULT_FRAMES_PER_PASS,
        latest_only: bool = False,
        threshold: float | None = None,
        vid_stride: int = 1,
    ) -> Iterator[StreamPart]:
        """Yield results of one video window by window, at flat memory; see :func:`stream_video`.

        Arguments are those of that function; ``vid_stride`` takes every n-th frame, starting with
        the first.
        """
        return stream_video(
            self.model,
            open_stream(inputs).every(vid_stride),
            texts,
            frames_per_pass=frames_per_pass,
            latest_only=latest_only,
            threshold=threshold,
            compress=True,
            precision=self.dtype,
        )

    def open(
        self,
        inputs: FrameInput,
        *,
        frames_per_pass: int | None = None,
        cut_as_stream: bool = False,
        vid_stride: int = 1,
    ) -> OpenedVideo:
        """Compute the features of one video, so that expressions can be given later.

        Arguments are those of a call.

        Examples:
            >>> with seg.open('dog.mp4') as clip:
            ...     dog, cat = clip.ask('the dog'), clip.ask('a cat')
        """
        source = open_frames(open_source(inputs).every(vid_stride))
        return open_video(
            self.model,
            source,
            frames_per_pass=frames_per_pass,
            cut_as_stream=cut_as_stream,
            compress=True,
            precision=self.dtype,
            on_progress=self._progress_of(source),
        )

    def preprocess(
        self, inputs: Sequence[FrameStream], batch_size: int = 1, *, vid_stride: int = 1
    ) -> Iterator[list[FrameSource]]:
        """Yield chunks of videos, opened one after the other; see :meth:`__call__`."""
        return self._get_chunk_data((open_frames(x.every(vid_stride)) for x in inputs), batch_size)

    def forward(
        self, inputs: Sequence[FrameSource], *, threshold: float | None = None, **options: Any
    ) -> list[VideoSegmentation]:
        """Segment some videos; see :meth:`__call__`."""
        options |= dict(compress=True, precision=self.dtype)
        results = [
            segment_video(self.model, source, on_progress=self._progress_of(source), **options)
            for source in inputs
        ]
        if threshold is None:
            return results
        return [result.with_threshold(threshold) for result in results]

    def visualize(
        self,
        inputs: Sequence[FrameStream],
        preds: Sequence[VideoSegmentation],
        show: bool = False,
        *,
        return_vis: bool = False,
    ) -> list[np.ndarray] | None:
        """Draw the frames of results with the visualizer; see :meth:`__call__`."""
        for result in preds if show else ():
            fps = result.fps or DEFAULT_FPS
            self.visualizer.show_video(self.draw(result), title=result.video, fps=fps)
        return [np.stack(list(self.draw(result))) for result in preds] if return_vis else None

    def draw(self, result: VideoSegmentation) -> Iterator[np.ndarray]:
        """Yield the drawn frames of a result, (h, w, 3) uint8 RGB."""
        return result.plot(style=self.visualizer.style)

    def postprocess(
        self,
        preds: Sequence[VideoSegmentation],
        visualization: list[np.ndarray] | None,
        return_datasample: bool = False,
        *,
        out_dir: PathLike = '',
        save: Sequence[str] = (),
        print_result: bool = False,
    ) -> dict[str, Any]:
        """Write, print and pack results; see :meth:`__call__`."""
        folders = result_folders(Path(out_dir), [result.video for result in preds])
        for result, folder in zip(preds, folders):
            if out_dir:
                result.save(folder, what=save, style=self.visualizer.style)
            if print_result:
                print(result.summary())
        predictions = [as_data_sample(x) for x in preds] if return_datasample else list(preds)
        return dict(predictions=predictions, visualization=visualization)

    @staticmethod
    def list_models(scope: str | None = _SCOPE, patterns: str = '.*') -> list[str]:
        """Return names and aliases that ``model`` takes, those that match ``patterns``."""
        if scope not in (None, _SCOPE):
            return BaseInferencer.list_models(scope, patterns)
        return [name for name in listed_names() if re.match(patterns, name)]

    def _progress_of(self, source: FrameSource) -> Callable[[int, int], None] | None:
        """Return what is called after each window; log what is missing from a damaged video."""
        if source.problem is not None:
            warn(f'{source.title}: {source.problem}')
        if not self.shows_progress:
            return None
        bar = Progress(len(source), 'frames')
        return lambda done, _: bar.update(done)

    def _inputs_to_list(self, inputs: FrameInput) -> list[FrameStream]:
        return open_sources(inputs)

    def _init_model(self, cfg: Config, weights: str | None, device: str = 'cpu') -> torch.nn.Module:
        return init_model(*self._given, device=device, cfg_options=self._cfg_options)

    def _init_pipeline(self, cfg: Config) -> FrameTransform:
        return FrameTransform(self.model.cfg)

    def _init_collate(self, cfg: Config) -> None:
        """Return nothing: frames are put together window by window."""

    def _init_visualizer(self, cfg: Config) -> Visualizer:
        """Build the config's visualizer without backends, which write to the folder of a run."""
        settings = dict(self.model.cfg.get('visualizer') or dict(type='ReferringVisualizer'))
        settings.update(name=f'R2VOSInferencer-{id(self)}', vis_backends=None)
        return VISUALIZERS.build(settings)


def as_data_sample(result: VideoSegmentation) -> ReferringDataSample:
    """Return a result as testing gives it; all masks are decoded at once."""
    sample = ReferringDataSample(
        metainfo=dict(
            video_id=result.video,
            frame_ids=result.frame_names,
            ori_shape=tuple(result.ungated_masks.shape[-2:]),
        )
    )
    sample.gt_pairs = InstanceData(texts=result.texts)
    names = ('masks', 'ungated_masks', 'scores', 'boxes', 'consensus')
    tensors = {name: torch.from_numpy(np.asarray(getattr(result, name))) for name in names}
    consensus = tensors['consensus'].double()
    tensors['misalignment_logits'] = (1 - consensus).logit().float()
    sample.pred_pairs = InstanceData(**tensors)
    return sample


def result_folders(out_dir: Path, titles: Sequence[str]) -> list[Path]:
    """Return a folder per video: ``out_dir`` itself if there is one."""
    if len(titles) == 1:
        return [out_dir]
    twice = {title for title, count in Counter(titles).items() if count > 1}
    names = [f'{t}_{i}' if t in twice else t for i, t in enumerate(titles)]
    return [out_dir / name for name in names]
