"""Write the result of a request as JSON, a ZIP of masks, a ZIP of cut-outs or a video."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from PIL import Image

from r2vos_mm.apis import VideoSegmentation
from r2vos_mm.visualization import Style, overlay_masks, write_video

from .results import rounded

DEFAULT_FPS = 6.0
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


def write_record(result: VideoSegmentation, path: Path) -> None:
    """Write the content of :func:`as_record` as JSON."""
    path.write_text(json.dumps(as_record(result), ensure_ascii=False))


def as_record(result: VideoSegmentation) -> dict[str, Any]:
    """Return verdicts, scores, boxes and masks as COCO run-length codes, null for empty masks."""
    return dict(
        video=result.video,
        size=list(result.ungated_masks.shape[-2:]),
        frames=result.frame_names,
        fps=result.fps,
        gate_threshold=result.gate_threshold,
        expressions=[
            dict(
                expression=text,
                found=bool(result.found[p]),
                consensus=rounded(result.consensus[p]) if result.judged else None,
                score=rounded(result.scores[p].mean()),
                scores=rounded(result.scores[p]),
                boxes=rounded(result.boxes[p], 2),
                segmentations=_codes(result, p),
            )
            for p, text in enumerate(result.texts)
        ],
    )


def _codes(result: VideoSegmentation, text: int) -> list[dict[str, Any] | None]:
    masks, areas = result.ungated_masks, result.ungated_masks.areas()[text]
    return [
        masks.rle(text, t) if area and result.found[text] else None for t, area in enumerate(areas)
    ]


def write_masks(result: VideoSegmentation, path: Path) -> None:
    """Write ``NUMBER_EXPRESSION/FRAME.png`` (255: object) and ``result.json`` into a ZIP.

    Expressions whose object is not in the clip have empty masks.
    """
    with ZipFile(path, 'w') as archive:
        for p in range(len(result)):
            for t, mask in enumerate(result.frame_masks(p, ungated=True)):
                pixels = (mask & result.found[p]).astype(np.uint8) * 255
                archive.writestr(_entry(result, p, t), _png(pixels))
        record = json.dumps(as_record(result), ensure_ascii=False)
        archive.writestr('result.json', record, ZIP_DEFLATED)


def write_cutouts(result: VideoSegmentation, path: Path) -> None:
    """Write ``NUMBER_EXPRESSION/FRAME.png``, the objects that were found on transparent ground."""
    with ZipFile(path, 'w') as archive:
        for t, frame in enumerate(result.source):
            for p in np.flatnonzero(result.found):
                alpha = result.ungated_masks[p, t].astype(np.uint8)[..., None]
                image = np.concatenate([frame * alpha, alpha * 255], -1)
                archive.writestr(_entry(result, p, t), _png(image))


def write_overlay(result: VideoSegmentation, path: Path) -> None:
    """Write the clip with the objects that were found in the colours of their expressions."""
    write_video(path, overlaid(result), fps=result.fps or DEFAULT_FPS)


def overlaid(result: VideoSegmentation) -> Iterator[np.ndarray]:
    """Yield T frames (H, W, 3) uint8 RGB with the masks of the objects that were found."""
    found = np.flatnonzero(result.found)
    styles = {p: replace(Style(), prediction=COLOURS[p % len(COLOURS)]) for p in found}
    for t, frame in enumerate(result.source):
        for p in found:
            frame = overlay_masks(frame, mask=result.ungated_masks[p, t], style=styles[p])
        yield frame


def _entry(result: VideoSegmentation, text: int, frame: int) -> str:
    return f'{text}_{file_name(result.texts[text])}/{file_name(result.frame_names[frame])}.png'


def file_name(text: str) -> str:
    """Return a short file name for a text.

    >>> file_name('the dog, left of the bus'), file_name('../x')
    ('the_dog_left_of_the_bus', 'x')
    """
    return re.sub(r'\W+', '_', text).strip('_')[:48] or 'clip'


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'PNG', compress_level=3)
    return buffer.getvalue()


Write = Callable[[VideoSegmentation, Path], None]

DOWNLOADS: dict[str, tuple[Write, str]] = {
    'overlay.mp4': (write_overlay, 'video/mp4'),
    'masks.zip': (write_masks, 'application/zip'),
    'cutouts.zip': (write_cutouts, 'application/zip'),
    'result.json': (write_record, 'application/json'),
}
"""Functions and media types by the last part of the address."""
