"""Write the result of a request as JSON, a ZIP of masks, a ZIP of cut-outs or a video."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np
from PIL import Image

from r2vos_mm.visualization import Style, overlay_masks, write_video

from .clips import Clip
from .results import ClipResult

# Colours of the expressions, those of static/style.css.
COLOURS = (
    (45, 140, 255),
    (255, 140, 26),
    (20, 184, 130),
    (230, 70, 160),
    (150, 105, 255),
    (240, 200, 40),
    (60, 200, 230),
    (235, 80, 70),
)


def write_record(clip: Clip, result: ClipResult, threshold: float, path: Path) -> None:
    """Write the content of :func:`as_record` as JSON."""
    path.write_text(json.dumps(as_record(clip, result, threshold), ensure_ascii=False))


def as_record(clip: Clip, result: ClipResult, threshold: float) -> dict[str, Any]:
    """Return verdicts, scores, boxes and masks as COCO run-length codes, null for empty masks."""
    found = result.found(threshold)
    return dict(
        video=clip.title,
        size=list(result.size),
        frames=list(clip.names),
        fps=clip.fps,
        gate_threshold=threshold,
        expressions=[
            dict(
                expression=text,
                found=bool(found[p]),
                consensus=_rounded(result.consensus[p]) if result.judged else None,
                score=_rounded(result.scores[p].mean()),
                scores=_rounded(result.scores[p]),
                boxes=_rounded(result.boxes[p], 2),
                segmentations=_codes(result, p) if found[p] else [None] * len(clip.names),
            )
            for p, text in enumerate(result.texts)
        ],
    )


def _codes(result: ClipResult, text: int) -> list[dict[str, Any] | None]:
    return [
        dict(size=list(result.size), counts=counts) if area else None
        for counts, area in zip(result.codes[text], result.areas[text])
    ]


def _rounded(values: np.ndarray | np.floating, digits: int = 4) -> float | list:
    return np.asarray(values, np.float64).round(digits).tolist()


def write_masks(clip: Clip, result: ClipResult, threshold: float, path: Path) -> None:
    """Write ``NUMBER_EXPRESSION/FRAME.png`` (255: object) and ``result.json`` into a ZIP.

    Expressions whose object is not in the clip have empty masks.
    """
    found = result.found(threshold)
    with ZipFile(path, 'w', ZIP_STORED) as archive:
        for p, t, name in _entries(clip, result):
            mask = result.mask(p, t) & found[p]
            archive.writestr(name, _png(mask.astype(np.uint8) * 255))
        record = json.dumps(as_record(clip, result, threshold), ensure_ascii=False)
        archive.writestr('result.json', record, ZIP_DEFLATED)


def write_cutouts(clip: Clip, result: ClipResult, threshold: float, path: Path) -> None:
    """Write ``NUMBER_EXPRESSION/FRAME.png``, the objects that were found on transparent ground."""
    found = result.found(threshold)
    with ZipFile(path, 'w', ZIP_STORED) as archive:
        for t, frame in enumerate(clip.frames()):
            for p in np.flatnonzero(found):
                alpha = result.mask(p, t).astype(np.uint8)[..., None] * 255
                image = np.concatenate([frame * (alpha > 0), alpha], -1)
                archive.writestr(_entry(clip, result, p, t), _png(image))


def write_overlay(clip: Clip, result: ClipResult, threshold: float, path: Path) -> None:
    """Write the clip with the objects that were found in the colours of their expressions."""
    write_video(path, overlaid(clip, result, threshold), fps=clip.fps)


def overlaid(clip: Clip, result: ClipResult, threshold: float) -> Iterator[np.ndarray]:
    """Yield T frames (H, W, 3) uint8 RGB with the masks of the objects that were found."""
    found = np.flatnonzero(result.found(threshold))
    styles = {p: replace(Style(), prediction=COLOURS[p % len(COLOURS)]) for p in found}
    for t, frame in enumerate(clip.frames()):
        for p in found:
            frame = overlay_masks(frame, mask=result.mask(p, t), style=styles[p])
        yield frame


def _entries(clip: Clip, result: ClipResult) -> Iterator[tuple[int, int, str]]:
    """Yield expression, frame and file name of all masks."""
    for p in range(len(result.texts)):
        for t in range(len(clip.names)):
            yield p, t, _entry(clip, result, p, t)


def _entry(clip: Clip, result: ClipResult, text: int, frame: int) -> str:
    return f'{text}_{file_name(result.texts[text])}/{file_name(clip.names[frame])}.png'


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


Write = Callable[[Clip, ClipResult, float, Path], None]

DOWNLOADS: dict[str, tuple[Write, str]] = {
    'overlay.mp4': (write_overlay, 'video/mp4'),
    'masks.zip': (write_masks, 'application/zip'),
    'cutouts.zip': (write_cutouts, 'application/zip'),
    'result.json': (write_record, 'application/json'),
}
"""Functions and media types by the last part of the address."""
