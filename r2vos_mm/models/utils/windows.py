"""Cut videos into windows of frames and hold what the model predicts for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from r2vos_mm.structures import Features, QueryPredictions
from r2vos_mm.utils.logging import warn


class Window(NamedTuple):
    """Frames of a video that pass through the model together."""

    frames: Tensor  # (T, 3, H, W) normalized frames without padding at their borders
    annotated: Tensor | None = None  # (T',) positions of the frames to predict; None for all
    num_frames: Tensor | None = None  # () frames before those that pad the window; None for T

    def padded(self, length: int) -> Window:
        """Pad the window with frames of zeros to ``length`` frames, if it has fewer.

        All windows then have one shape, for which a model is compiled or exported.
        """
        missing = max(length - len(self.frames), 0)
        count = torch.tensor(len(self.frames), device=self.frames.device)
        return Window(F.pad(self.frames, (0, 0) * 3 + (0, missing)), self.annotated, count)


class WindowFeatures(NamedTuple):
    """Features of a window that do not depend on the text."""

    clips: Features  # one clip
    input_size: tuple[int, int]  # (H, W) of the frames
    num_frames: int  # predicted frames before those that pad the window


@dataclass
class VideoPredictions(Features):
    """Predictions of P pairs for the frames of one or more windows."""

    queries: QueryPredictions  # predictions of the last decoder layer
    misalignment_logits: Tensor  # (P, number of windows)
    words: Tensor | None = None  # (P, T) odds of word maps, where the model has them
    attention: Tensor | None = None  # (P, T, h, w) attention between words and cells, if asked for
    early: Tensor | None = None  # (P, T, h, w) norm of f_early, if asked for

    def at_frames(self, frames: slice) -> VideoPredictions:
        """Return the predictions for some frames, with the verdict of all."""
        some = self.map(lambda tensor: tensor[:, frames])  # the second axis is time
        return replace(some, misalignment_logits=self.misalignment_logits)


MANY_FRAMES = 200
"""Frames up to which a video may pass through the model at once without a warning."""


def split_windows(
    num_frames: int, frames_per_pass: int | None, *, full: bool = False
) -> list[slice]:
    """Cut T frames into near-equal consecutive windows of at most ``frames_per_pass``.

    ``full`` windows have exactly ``frames_per_pass`` frames, the last one the rest, as in a stream.
    """
    if frames_per_pass is None or frames_per_pass >= num_frames:
        return [slice(0, num_frames)]
    count = -(-num_frames // frames_per_pass)
    bounds = [num_frames * k // count for k in range(count + 1)]
    if full:
        bounds = [*range(0, num_frames, frames_per_pass), num_frames]
    return [slice(a, b) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def cut_windows(
    video: Tensor, frames_per_pass: int | None, annotated: Tensor | None
) -> Iterator[Window]:
    """Yield the windows of a video (T, 3, H, W) that have a frame to predict.

    ``annotated`` (T',) are the positions of the frames to predict; None for all.
    """
    if frames_per_pass is None and len(video) > MANY_FRAMES:
        warn(
            f'{len(video)} frames pass through the model at once, which takes memory for all of '
            'them: set model.test_cfg.frames_per_pass, 36 for example'
        )
    for part in split_windows(len(video), frames_per_pass):
        inside = annotated
        if annotated is not None:
            inside = annotated[(part.start <= annotated) & (annotated < part.stop)] - part.start
        if inside is None or len(inside):
            yield Window(video[part], inside)
