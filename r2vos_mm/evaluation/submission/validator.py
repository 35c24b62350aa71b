"""Check that a submission holds the files that the server expects."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from .layouts import Layout

_MAX_OBJECTS = 20
_NUM_SHOWN = 5


class SubmissionReport(NamedTuple):
    """Result of checking a submission.

    Attributes:
        num_expected: number of files that the server expects.
        missing: expected files that are missing.
        extra: unexpected files, and names that occur twice.
        broken: files that are not such PNGs, with the reason.
    """

    num_expected: int
    missing: list[str]
    extra: list[str]
    broken: list[str]

    @property
    def is_valid(self) -> bool:
        """Whether the server will accept the submission."""
        return not (self.missing or self.extra or self.broken)

    def __str__(self) -> str:
        if self.is_valid:
            return f'all {self.num_expected} files are present and complete'
        parts = [f'{self.num_expected} files expected']
        for name, files in zip(self._fields[1:], self[1:]):
            num_more = len(files) - _NUM_SHOWN
            more = f' and {num_more} more' if num_more > 0 else ''
            if files:
                parts.append(f'{len(files)} {name}: {", ".join(files[:_NUM_SHOWN])}{more}')
        return '; '.join(parts)


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
        FileNotFoundError: The zip does not exist.
        ValueError: It is not a zip, or incomplete.
    """
    expected = layout.expected_files(expressions)
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith('/')]
            twice = [f'{name} (twice)' for name, count in Counter(names).items() if count > 1]
            broken = _broken_files(archive, sorted(expected & set(names)), layout, images)
    except zipfile.BadZipFile as error:
        raise ValueError(f'{path} is not a complete zip ({error}): write it again') from error
    missing, extra = sorted(expected - set(names)), sorted(set(names) - expected)
    return SubmissionReport(len(expected), missing, extra + twice, broken)


def _broken_files(
    archive: zipfile.ZipFile, names: list[str], layout: Layout, images: Path | None
) -> list[str]:
    """Return the files that are not as they should be, with the reason."""
    broken, sizes = [], {}
    for name in names:
        parts = name.removeprefix(layout.top).split('/')
        video = parts[1] if layout.is_map else parts[0]
        if video not in sizes and images is not None:
            with Image.open(images / video / Path(parts[-1]).with_suffix('.jpg')) as image:
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
    """Return what is wrong with a PNG, '' for nothing; ``size`` is (width, height) of the video."""
    mode = 'P' if layout.is_map else 'L'
    if image.format != 'PNG' or image.mode != mode:
        return f'{image.format} of mode {image.mode}, not PNG of mode {mode}'
    if image.size != size:
        return f'size {image.size}, the video has {size} (width, height)'
    values = np.unique(np.asarray(image))
    if layout.is_map:
        return f'object id {values[-1]} above {_MAX_OBJECTS}' if values[-1] > _MAX_OBJECTS else ''
    wrong = [int(value) for value in values if value not in (0, 255)]
    return f'values {wrong[:5]} beside 0 and 255' if wrong else ''
