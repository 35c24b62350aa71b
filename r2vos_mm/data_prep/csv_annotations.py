"""Write the JSON files of the layout from a table of sentences and folders of frames and masks.

The table is a CSV file with a header line; ``category`` is optional::

    video,obj_id,category,exp
    bear,1,bear,a brown bear
    bear,1,bear,the animal walking to the left
    bear,2,dog,

A row without a sentence states the category of an object that no sentence is about, which negative
pairs need.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from r2vos_mm.datasets.io.annotations import MAX_OBJECT_ID
from r2vos_mm.datasets.io.mask_sources import checked_size
from r2vos_mm.utils.data_issues import DataFileError, ProblemList
from r2vos_mm.utils.expressions_file import frame_order, is_plain_name
from r2vos_mm.utils.files import write_json
from r2vos_mm.utils.masks_io import decode_label_png

COLUMNS = ('video', 'obj_id', 'exp')
_DELIMITERS = ',;\t'
_OTHER_IMAGES = ('.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


@dataclass(frozen=True)
class Row:
    """One line of the table; empty cells are ''."""

    line: int
    video: str
    obj_id: str
    category: str
    exp: str


@dataclass(frozen=True)
class MetaFiles:
    """Result of :func:`make_meta`.

    Attributes:
        meta_expressions: content of ``meta_expressions.json``.
        meta: content of ``meta.json``.
        problems: rows, frames and folders that were skipped.
    """

    meta_expressions: dict[str, Any]
    meta: dict[str, Any]
    problems: ProblemList

    def save(self, data_root: Path, split: str) -> list[Path]:
        """Write both files to their places in the layout; return the paths."""
        paths = [
            data_root / 'meta_expressions' / split / 'meta_expressions.json',
            data_root / split / 'meta.json',
        ]
        for path, content in zip(paths, (self.meta_expressions, self.meta)):
            write_json(path, content)
        return paths

    def summary(self) -> str:
        """Return the numbers of videos, frames, objects and sentences as one line."""
        videos = self.meta_expressions['videos'].values()
        objects = [
            item for video in self.meta['videos'].values() for item in video['objects'].values()
        ]
        named = sum('category' in item for item in objects)
        return (
            f'{len(videos)} videos, {sum(len(video["frames"]) for video in videos)} frames, '
            f'{len(objects)} objects ({named} with category), '
            f'{sum(len(video["expressions"]) for video in videos)} sentences'
        )


@dataclass(frozen=True)
class _VideoFiles:
    """Usable frames in order, and {object: frames in which it is visible}; None without masks."""

    frames: list[str]
    seen: dict[str, list[str]] | None


def make_meta(table: Path, data_root: Path, *, split: str = 'train') -> MetaFiles:
    """Read the table and every mask.

    Where a video has masks, frames without one are skipped; videos without any mask are kept for
    testing without ground truth.

    Raises:
        FileNotFoundError: the table or ``<data_root>/<split>/JPEGImages`` is missing.
        ValueError: the table is not understood, or nothing in it can be used.
    """
    problems = ProblemList(str(table))
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in read_table(table):
        rows[row.video].append(row)
    frame_root = data_root / split / 'JPEGImages'
    if not frame_root.is_dir():
        raise FileNotFoundError(
            f'{frame_root} is not a folder: put the frames there, one folder a '
            'video, JPEGImages/<video>/<frame>.jpg'
        )
    wants_categories = any(row.category for listed in rows.values() for row in listed)
    expressions, objects = {}, {}
    for video in sorted(rows):
        files = _read_video(data_root / split, video, problems)
        sentences = _expressions(rows[video], files, problems) if files else {}
        if files and sentences:
            expressions[video] = dict(expressions=sentences, frames=files.frames)
            objects[video] = dict(objects=_objects(rows[video], files, wants_categories, problems))
    for folder in sorted(frame_root.iterdir()):
        if folder.is_dir() and folder.name[0] != '.' and folder.name not in rows:
            problems.add(folder.name, 'folder, but in no row', 'folder unused')
    if not expressions:
        raise ValueError(f'no row of {table} can be used:\n{problems.table()}')
    return MetaFiles(dict(videos=expressions), dict(videos=objects), problems)


def read_table(path: Path) -> list[Row]:
    """Return the rows of a table, whose columns are separated by commas, semicolons or tabs.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not UTF-8, lacks a column, or has no line after the header.
    """
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not in UTF-8 ({error}): save it as "CSV UTF-8"') from error
    header = text.partition('\n')[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
    names = [(name or '').strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ValueError(
            f'{path} has no column {", ".join(missing)} in its first line, which is '
            f'{header[:100]!r}. Expected: video,obj_id,category,exp'
        )
    reader.fieldnames = names
    rows = [
        Row(
            reader.line_num,
            *((item.get(name) or '').strip() for name in ('video', 'obj_id', 'category', 'exp')),
        )
        for item in reader
    ]
    if not rows:
        raise ValueError(f'{path} has no row below its first line')
    return rows


def _read_video(split_dir: Path, video: str, problems: ProblemList) -> _VideoFiles | None:
    """Return the usable files of a video; None, with a problem, if there are none."""
    frame_dir, mask_dir = split_dir / 'JPEGImages' / video, split_dir / 'Annotations' / video
    if not is_plain_name(video) or not frame_dir.is_dir():
        problems.add(video or '(no video)', f'JPEGImages/{video} is not a folder', 'video skipped')
        return None
    frames = sorted((path.stem for path in frame_dir.glob('*.jpg')), key=frame_order)
    others = [path.name for path in frame_dir.iterdir() if path.suffix.lower() in _OTHER_IMAGES]
    if others:
        problems.add(
            video, f'{len(others)} frame(s) are not .jpg, e.g. {min(others)}', 'frames skipped'
        )
    files = _VideoFiles(frames, None)
    if mask_dir.is_dir():
        files = _read_masks(frame_dir, mask_dir, frames, problems)
    if not files.frames:
        problems.add(video, 'has no usable frame', 'video skipped')
        return None
    return files


def _read_masks(
    frame_dir: Path, mask_dir: Path, frames: Iterable[str], problems: ProblemList
) -> _VideoFiles:
    """Return the frames that have a mask, and those in which each object is visible."""
    usable, seen, without, broken = [], defaultdict(list), [], []
    for frame in frames:
        path = mask_dir / f'{frame}.png'
        if not path.is_file():
            without.append(frame)
            continue
        try:
            ids = _read_ids(path, frame_dir / f'{frame}.jpg')
        except (OSError, SyntaxError, DataFileError) as error:
            broken.append(str(error))
            continue
        usable.append(frame)
        for obj_id in np.flatnonzero(np.bincount(ids.ravel(), minlength=1)):
            if obj_id > 0:
                seen[str(obj_id)].append(frame)
    for listed, what in ((without, 'frame(s) have no mask'), (broken, 'mask(s) cannot be used')):
        if listed:
            what = f'{len(listed)} {what}, e.g. {listed[0]}'
            problems.add(mask_dir.name, what, 'frames skipped')
    return _VideoFiles(usable, dict(seen))


def _read_ids(mask: Path, frame: Path) -> np.ndarray:
    """Return the object ids (H, W) of a mask.

    Raises:
        OSError, SyntaxError: the frame is broken.
        DataFileError: the mask is broken, or does not fit the frame.
    """
    with Image.open(frame) as image:
        width, height = image.size
    return checked_size(decode_label_png(mask.read_bytes(), mask.name), height, width, mask.name)


def _expressions(
    rows: Iterable[Row], files: _VideoFiles, problems: ProblemList
) -> dict[str, dict[str, str]]:
    """Return the sentences of a video, numbered in the order of the table."""
    sentences = {}
    for row in rows:
        problem = _row_problem(row, files)
        if problem is not None:
            problems.add(f'line {row.line} ({row.video})', problem, 'row skipped')
        elif row.exp:
            obj_id = dict(obj_id=str(int(row.obj_id))) if row.obj_id else {}
            sentences[str(len(sentences))] = dict(exp=row.exp) | obj_id
    if not sentences:
        problems.add(rows[0].video, 'has no usable sentence', 'video skipped')
    return sentences


def _row_problem(row: Row, files: _VideoFiles) -> str | None:
    if not row.obj_id:
        return None if files.seen is None else 'has no obj_id'
    if not row.obj_id.isdecimal() or not 0 < int(row.obj_id) <= MAX_OBJECT_ID:
        return f'obj_id {row.obj_id!r} is not a number from 1 to {MAX_OBJECT_ID}'
    if files.seen is not None and str(int(row.obj_id)) not in files.seen:
        found = ', '.join(sorted(files.seen, key=frame_order)[:10]) or 'none'
        return f'obj_id {row.obj_id} is in no mask (the masks have: {found})'
    return None


def _objects(
    rows: Iterable[Row], files: _VideoFiles, wants_categories: bool, problems: ProblemList
) -> dict[str, dict[str, Any]]:
    """Return the objects of a video for ``meta.json``: category, and frames from the first on."""
    categories: dict[str, str] = {}
    for row in rows:
        if row.category and row.obj_id.isdecimal():
            known = categories.setdefault(str(int(row.obj_id)), row.category)
            if known != row.category:
                problems.add(
                    f'line {row.line} ({row.video})',
                    f'object {row.obj_id} is a {known} in a row before, here a {row.category}',
                    f'taken as {known}',
                )
    seen = files.seen if files.seen is not None else dict.fromkeys(categories, files.frames)
    nameless = sorted(seen.keys() - categories.keys(), key=frame_order)
    if nameless and wants_categories:
        problems.add(
            rows[0].video,
            f'object(s) {", ".join(nameless[:10])} have no category',
            'unknown to negative pairs: add a row, which needs no sentence',
        )
    return {
        obj_id: (dict(category=categories[obj_id]) if obj_id in categories else {})
        | dict(frames=files.frames[files.frames.index(seen[obj_id][0]) :])
        for obj_id in sorted(seen, key=frame_order)
    }
