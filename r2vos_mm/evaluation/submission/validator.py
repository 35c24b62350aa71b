"""Reads a submission back and compares it with what the server expects."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .layouts import Layout

_FOREGROUND = 255
_MAX_OBJECTS = 20


@dataclass(frozen=True)
class SubmissionReport:
    """What a submission lacks.

    Attributes:
        num_expected: files the server expects.
        missing: expected files that are not there.
        extra: files that nobody expects, and names that occur twice.
        broken: files that are no such PNG, with the reason.
    """

    num_expected: int
    missing: list[str]
    extra: list[str]
    broken: list[str]

    @property
    def is_valid(self) -> bool:
        """Whether the server will take it."""
        return not (self.missing or self.extra or self.broken)

    def __str__(self) -> str:
        if self.is_valid:
            return f'all {self.num_expected} files are there and whole'
        lines = [f'{self.num_expected} files expected']
        for name in ('missing', 'extra', 'broken'):
            found = getattr(self, name)
            if found:
                more = f' and {len(found) - 5} more' if len(found) > 5 else ''
                lines.append(f'{len(found)} {name}: {", ".join(found[:5])}{more}')
        return '; '.join(lines)


def check_submission(
    path: Path, layout: Layout, expressions: dict[str, dict], *, images: Path | None = None
) -> SubmissionReport:
    """Check every file of a zip.

    PNGs must be single-channel with 8 bits and of one size per video. Masks hold 0 and 255, maps of
    objects at most 20 ids.

    Args:
        path: the zip.
        layout: its form.
        expressions: the videos that are scored, see :func:`scored_expressions`.
        images: folder ``<video>/<frame>.jpg``; sizes are then compared with the frames.

    Raises:
        FileNotFoundError: there is no zip.
        ValueError: it is no zip, or cut off.
    """
    expected = layout.expected_files(expressions)
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith('/')]
            twice = [f'{name} (twice)' for name, count in Counter(names).items() if count > 1]
            broken = _broken_files(archive, sorted(expected & set(names)), layout, images)
    except zipfile.BadZipFile as error:
        raise ValueError(f'{path} is not a whole zip ({error}): write it again') from error
    return SubmissionReport(
        num_expected=len(expected),
        missing=sorted(expected - set(names)),
        extra=sorted(set(names) - expected) + twice,
        broken=broken,
    )


def _broken_files(
    archive: zipfile.ZipFile, names: list[str], layout: Layout, images: Path | None
) -> list[str]:
    """Files that are not as they should be, with the reason."""
    broken, sizes = [], {}
    for name in names:
        parts = name.removeprefix(layout.top).split('/')
        video = parts[1] if layout.per_annotator else parts[0]
        if video not in sizes and images is not None:
            frame = Path(parts[-1]).with_suffix('.jpg')
            with Image.open(images / video / frame) as image:
                sizes[video] = image.size
        try:
            with Image.open(io.BytesIO(archive.read(name))) as image:
                problem = _problem(image, layout, sizes.setdefault(video, image.size))
        except (OSError, SyntaxError, zipfile.BadZipFile) as error:
            problem = str(error)
        if problem:
            broken.append(f'{name} ({problem})')
    return broken


def _problem(image: Image.Image, layout: Layout, size: tuple[int, int]) -> str:
    """What is wrong with a PNG; '' for nothing. ``size`` is (width, height) of the video."""
    if image.format != 'PNG' or image.mode != layout.mode:
        return f'{image.format} of mode {image.mode}, not PNG of mode {layout.mode}'
    if image.size != size:
        return f'size {image.size}, the video has {size} (width, height)'
    values = np.unique(np.asarray(image))
    if layout.per_annotator:
        return f'object id {values[-1]} above {_MAX_OBJECTS}' if values[-1] > _MAX_OBJECTS else ''
    wrong = [int(value) for value in values if value not in (0, _FOREGROUND)]
    return f'values {wrong[:5]} beside 0 and 255' if wrong else ''
