"""Build results from what a model predicts for a video or a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

import numpy as np
import torch
from mmengine.structures import InstanceData

from r2vos_mm.datasets.io.frames import FrameSource
from r2vos_mm.models.utils import CollectedVideo, Evidence, PredictConfig
from r2vos_mm.utils.memory import release_free_memory

from .compressed_masks import CompressedMasks
from .video_segmentation import Range, VideoSegmentation


def result_of(
    video: CollectedVideo,
    source: FrameSource,
    texts: Sequence[str],
    size: tuple[int, int],
    *,
    compress: bool = False,
) -> VideoSegmentation:
    """Return the result for a whole video, from the predictions for all windows of its frames.

    ``size`` is (H0, W0) of the frames; with ``compress``, masks are :class:`CompressedMasks`.
    """
    evidence, config = video.evidence, video.config
    shape = (len(texts), evidence.num_frames, *size)
    masks, pairs = read_masks(video.read(size), shape, compress=compress)
    windows, window_consensus = consensus_by_window(video.windows, config)
    return VideoSegmentation(
        video=source.title,
        frame_names=source.names,
        texts=list(texts),
        ungated_masks=masks,
        scores=pairs.scores.float().numpy(),
        boxes=pairs.boxes.float().numpy(),
        consensus=evidence.consensus(config).numpy(),
        judged=evidence.is_judged(config),
        gate_threshold=config.gate_threshold,
        fps=source.fps,
        source=source,
        windows=windows,
        window_consensus=window_consensus,
        queries=evidence.best_queries().numpy(),
    )


def consensus_by_window(
    windows: Sequence[Evidence], config: PredictConfig
) -> tuple[list[Range], np.ndarray]:
    """Return (start, stop) of W consecutive windows, and the consensus (P, W) of each alone."""
    stops = accumulate((window.num_frames for window in windows), initial=0)
    consensus = [window.consensus(config) for window in windows]
    return list(pairwise(stops)), torch.stack(consensus, dim=1).numpy()


def read_masks(
    parts: Iterable[InstanceData], shape: tuple[int, int, int, int], *, compress: bool
) -> tuple[np.ndarray | CompressedMasks, InstanceData]:
    """Return the masks (P, T, H0, W0) of consecutive parts, and their ``scores`` and ``boxes``.

    With ``compress``, the masks of one part at a time are in memory uncompressed.
    """
    rows, num_frames, *size = shape
    masks = CompressedMasks(rows, size) if compress else np.empty(shape, dtype=bool)
    scores = torch.empty(rows, num_frames)
    others = InstanceData(scores=scores, boxes=torch.empty(rows, num_frames, 4))
    done = 0
    for part in parts:
        some, stop = part.ungated_masks.numpy(), done + part.scores.shape[1]
        others.scores[:, done:stop], others.boxes[:, done:stop] = part.scores, part.boxes
        if compress:
            masks.append(some)
            del some, part.ungated_masks
            release_free_memory()
        else:
            masks[:, done:stop] = some
        done = stop
    return masks, others
