"""Predict whole videos with a segmentor, window by window and a few expressions at a time."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from r2vos_mm.structures import Features, ReferringDataSample, TextFeatures

from ..utils import (
    CollectedVideo,
    PredictConfig,
    VideoPredictions,
    Window,
    WindowFeatures,
    annotated_frames,
    cut_windows,
    place_in_time,
)


class VideoPredictionMixin:
    """Give a segmentor prediction for videos of any length.

    The segmentor computes features (``extract_clips``, ``encode_text``) and predicts pairs
    (``_predict_pairs``); its ``test_cfg`` is a :class:`PredictConfig`. Either part may be compiled.
    """

    test_cfg: PredictConfig
    _compiled: Mapping[str, Callable] = MappingProxyType({})

    @torch.no_grad()
    def predict(
        self, inputs: Tensor, data_samples: list[ReferringDataSample]
    ) -> list[ReferringDataSample]:
        """Fill ``pred_pairs`` of every sample; its expressions share the backbone features."""
        for clip, sample in zip(inputs, data_samples, strict=True):
            height, width = sample.img_shape
            video, frames = clip[..., :height, :width], annotated_frames([sample])
            frames = None if frames is None else frames[0]
            windows = cut_windows(video, self.test_cfg.frames_per_pass, frames)
            pairs = self.segment(windows, sample.gt_pairs.texts, sample.ori_shape)
            if frames is not None:
                pairs = place_in_time(pairs, frames, len(video))
            sample.pred_pairs = pairs
        return data_samples

    @torch.no_grad()
    def segment(
        self,
        windows: Iterable[Tensor | Window],
        sentences: list[str],
        ori_shape: tuple[int, int],
        *,
        frames_per_pass: int | None = None,
    ) -> InstanceData:
        """Segment one video that arrives window by window, such as from a decoder.

        Backbone features are kept for one window only; for masks see :class:`CollectedVideo`.

        Args:
            windows: consecutive (T_i, 3, H, W) normalized frames without padding, T in all, or
                :class:`Window` objects, which also choose the frames to predict.
            sentences: P expressions.
            ori_shape: (H0, W0) of the masks.
            frames_per_pass: replaces that of ``test_cfg`` as the length of padded windows.

        Returns:
            P rows, see :meth:`CollectedVideo.to_pairs`.
        """
        extract = partial(self.extract_window, frames_per_pass=frames_per_pass)
        with self.collect(map(extract, windows), sentences) as video:
            return video.to_pairs(ori_shape)

    @torch.no_grad()
    def collect(self, windows: Iterable[WindowFeatures], sentences: list[str]) -> CollectedVideo:
        """Predict P expressions for all windows of a video; the caller closes the result."""
        text, video = self.encode_text(sentences), CollectedVideo(self.test_cfg)
        for window in windows:
            video.append(self.predict_features(window, text), window.input_size)
        return video

    @torch.no_grad()
    def extract_window(
        self, window: Tensor | Window, *, frames_per_pass: int | None = None
    ) -> WindowFeatures:
        """Compute everything that does not depend on the text for one window of a video.

        Arguments as for :meth:`segment`.
        """
        window = window if isinstance(window, Window) else Window(window)
        size, count = tuple(window.frames.shape[-2:]), len(window.frames)
        if self.test_cfg.pad_windows:
            window = window.padded(frames_per_pass or self.test_cfg.frames_per_pass)
        options = dict(annotated=window.annotated, num_frames=window.num_frames)
        if window.annotated is not None:
            count, options['annotated'] = len(window.annotated), window.annotated[None]
        clips = self._run('extract_clips', window.frames[None], [size], **options)
        return WindowFeatures(clips, size, count)

    def predict_features(self, window: WindowFeatures, text: TextFeatures) -> VideoPredictions:
        """Predict all expressions for the frames of one window, without those that pad it."""
        return self.predict_window(window.clips, text).at_frames(slice(window.num_frames))

    @torch.no_grad()
    def predict_window(self, clips: Features, text: TextFeatures) -> VideoPredictions:
        """Predict all expressions for the features of one window, a few at a time, on the CPU."""
        parts, clips = [], self.neck.share(clips) if len(text) > 1 else clips
        for index in torch.arange(len(text)).split(self.test_cfg.pairs_per_pass):
            index = index.to(text.sentence.device)
            some, to_clip = text.select(index), torch.zeros_like(index)
            if self._compiled:
                some.mark_dynamic()
                torch._dynamo.maybe_mark_dynamic(to_clip, 0)
            queries, cycle, grounded = self._run('_predict_pairs', clips, some, to_clip)
            logits = queries.scores.new_full((len(index),), float('-inf'))
            if cycle is not None:
                logits = cycle.misalignment_logit.float()
            part = VideoPredictions(queries, logits[:, None])
            if grounded.evidence is not None:
                part.words = grounded.evidence.frames.float()
            if self.test_cfg.return_attention:
                part.attention = self.neck.attention_map(grounded).float()
                part.early = grounded.early.float().norm(dim=2)
            parts.append(part.to('cpu'))
        return VideoPredictions.cat(parts)

    def compile_evaluation(self, **options: Any) -> None:
        """Compile what :meth:`segment` computes for a window, in two graphs without breaks.

        One graph serves all expressions, the other ``test_cfg.pairs_per_pass`` of them. Each shape
        of windows is compiled when it first occurs; ``test_cfg.pad_windows`` gives windows one
        length. Numbers of words, and of expressions above one, share a graph.

        Args:
            options: arguments of ``torch.compile``.
        """
        options.setdefault('dynamic', False)
        parts = {name: getattr(type(self), name) for name in ('extract_clips', '_predict_pairs')}
        self._compiled = {name: torch.compile(part, **options) for name, part in parts.items()}

    def _run(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method, compiled if it has been."""
        if name in self._compiled:
            return self._compiled[name](self, *args, **kwargs)
        return getattr(self, name)(*args, **kwargs)
