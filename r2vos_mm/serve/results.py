"""Segment clips for the page, and give it the masks as run-length codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2vos_mm.apis import VideoSegmentation, segment_video
from r2vos_mm.apis.results import rounded

if TYPE_CHECKING:
    from r2vos_mm.models.segmentors import ReferringVideoSegmentor

    from .clips import Clip


def segment_clip(
    model: ReferringVideoSegmentor,
    clip: Clip,
    texts: Sequence[str],
    on_progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> VideoSegmentation:
    """Segment a clip; ``options`` are those of :func:`r2vos_mm.apis.segment_video`.

    Returns:
        A result whose masks are :class:`r2vos_mm.apis.compressed_masks.CompressedMasks`.
    """
    options |= dict(compress=True, on_progress=on_progress)
    result = segment_video(model, clip.source, texts, **options)
    return replace(result, video=Path(clip.title).stem)


def page_record(result: VideoSegmentation) -> dict[str, Any]:
    """Return a result as the page reads it, which gates and decodes the masks itself.

    ``codes`` are the run-length codes of the masks before the verdict, without their size;
    ``areas`` is the share of the frame that each takes.
    """
    masks = result.ungated_masks
    videos, frames, height, width = masks.shape
    return dict(
        texts=result.texts,
        size=[height, width],
        codes=[[masks.rle(p, t)['counts'] for t in range(frames)] for p in range(videos)],
        areas=rounded(masks.areas() / (height * width), 5),
        scores=rounded(result.scores),
        consensus=rounded(result.consensus),
        judged=result.judged,
        gate_threshold=result.gate_threshold,
    )
