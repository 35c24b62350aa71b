"""Segment clips for the page, and give it the result as masks and as files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from r2vos_mm.apis import VideoSegmentation, segment_video
from r2vos_mm.apis.results.video_segmentation import DEFAULT_FPS, rounded
from r2vos_mm.visualization import Style, overlay_masks, write_video

if TYPE_CHECKING:
    from r2vos_mm.models.segmentors import ReferringVideoSegmentor

    from .clips import StoredClip

# Colours of the expressions, those of static/style.css.
COLOURS = (
    (0x26, 0x84, 0xFF),
    (0xDD, 0x6A, 0x00),
    (0x0C, 0x9A, 0x6B),
    (0xE0, 0x44, 0x9A),
    (0x8A, 0x63, 0xF5),
    (0xA8, 0x84, 0x00),
    (0x08, 0x94, 0xB3),
    (0xE5, 0x48, 0x4D),
)


def segment_clip(
    model: ReferringVideoSegmentor,
    clip: StoredClip,
    texts: Sequence[str],
    on_progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> VideoSegmentation:
    """Segment a clip; ``options`` are those of :func:`r2vos_mm.apis.segment_video`.

    Returns:
        A result whose masks are :class:`r2vos_mm.apis.results.compressed_masks.CompressedMasks`.
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


def write_overlay(result: VideoSegmentation, path: Path) -> None:
    """Write the clip with the objects that were found in the colours of their expressions."""
    write_video(path, overlaid(result), fps=result.fps or DEFAULT_FPS)


def overlaid(result: VideoSegmentation) -> Iterator[np.ndarray]:
    """Yield T frames (H, W, 3) uint8 RGB with the masks of the objects that were found."""
    found = np.flatnonzero(result.found)
    styles = {p: replace(Style(), prediction=COLOURS[p % len(COLOURS)]) for p in found}
    for t, frame in enumerate(result.source):
        for p in found:
            frame = overlay_masks(frame, mask=result.masks[p, t], style=styles[p])
        yield frame


def write_cutouts(result: VideoSegmentation, path: Path) -> None:
    """Write the folders of :meth:`VideoSegmentation.save_cutouts` into a ZIP."""
    folder = path.with_suffix('')
    folder.mkdir()
    result.save_cutouts(folder)
    shutil.make_archive(str(folder), 'zip', folder)


DOWNLOADS: dict[str, tuple[Callable[[VideoSegmentation, Path], object], str]] = {
    'overlay.mp4': (write_overlay, 'video/mp4'),
    'masks.zip': (VideoSegmentation.save_zip, 'application/zip'),
    'cutouts.zip': (write_cutouts, 'application/zip'),
    'masks.json': (VideoSegmentation.to_coco_rle, 'application/json'),
    'youtube_vis.json': (VideoSegmentation.to_youtube_vis, 'application/json'),
    'veval.json': (VideoSegmentation.to_veval, 'application/json'),
}
"""Functions that write a file, and its media type, by the last part of the address."""
