"""Write the JSON files of the layout from a table of sentences and folders of frames and masks.

The table is a CSV file with a header line; ``category`` is optional::

    video,obj_id,category,exp
    bear,1,bear,a brown bear
    bear,1,bear,the animal walking to the left
    bear,2,dog,

A row without a sentence gives the category of an object that no sentence is about, which negative
pairs need.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from r2vos_mm.datasets.io.annotations import MAX_OBJECT_ID
from r2vos_mm.datasets.io.mask_sources import checked_size
from r2vos_mm.utils.data_issues import DataFileError, ProblemList
from r2vos_mm.utils.expressions_file import frame_order, is_plain_name
from r2vos_mm.utils.files import write_json
from r2vos_mm.utils.masks_io import decode_label_png

_OTHER_IMAGES = ('.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


class Row(NamedTuple):
    """One line of the table; empty cells are ''."""

    line: int
    video: str
    obj_id: str
    category: str
    exp: str

    @property
    def where(self) -> str:
        """Name of the row in messages."""
        return f'line {self.line} ({self.video})'


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
        root = data_root / 'meta_expressions'
        paths = [root / split / 'meta_expressions.json', data_root / split / 'meta.json']
        for path, content in zip(paths, (self.meta_expressions, self.meta)):
            write_json(path, content)
        return paths

    def summary(self) -> str:
        """Return the numbers of videos, frames, objects and sentences as one line."""
        videos, entries = self.meta_expressions['videos'].values(), self.meta['videos'].values()
        objects = [item for entry in entries for item in entry['objects'].values()]
        frames, sentences = (
            sum(len(video[key]) for video in videos) for key in ('frames', 'expressions')
        )
        named = sum('category' in item for item in objects)
        return (
            f'{len(videos)} videos, {frames} frames, {len(objects)} objects ({named} with '
            f'category), {sentences} sentences'
        )


class _VideoFiles(NamedTuple):
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
            f'{frame_root} is not a folder: put the frames there, one folder per '
            'video, JPEGImages/<video>/<frame>.jpg'
        )
    wants_categories = any(row.category for listed in rows.values() for row in listed)
    expressions, objects = {}, {}
    for video in sorted(rows):
        files = _read_video(data_root / split, video, problems)
        sentences = files and _expressions(rows[video], files, problems)
        if sentences:
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
    delimiter = max(',;\t', key=header.count)
    reader = csv.DictReader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
    names = reader.fieldnames = [(name or '').strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in ('video', 'obj_id', 'exp') if name not in names]
    if missing:
        raise ValueError(
            f'{path} has no column {", ".join(missing)} in its first line, which is '
            f'{header[:100]!r}. Expected: video,obj_id,category,exp'
        )
    cells = ('video', 'obj_id', 'category', 'exp')
    rows = [
        Row(reader.line_num, *((item.get(cell) or '').strip() for cell in cells)) for item in reader
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
        what = f'{len(others)} frame(s) are not .jpg, e.g. {min(others)}'
        problems.add(video, what, 'frames skipped')
    files = _VideoFiles(frames, None)
    if mask_dir.is_dir():
        files = _read_masks(frame_dir, mask_dir, frames, problems)
    if files.frames:
        return files
    problems.add(video, 'has no usable frame', 'video skipped')
    return None


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
            with Image.open(frame_dir / f'{frame}.jpg') as image:
                width, height = image.size
            ids = decode_label_png(path.read_bytes(), path.name)
            ids = np.unique(checked_size(ids, height, width, path.name))
        except (OSError, SyntaxError, DataFileError) as error:
            broken.append(str(error))
            continue
        usable.append(frame)
        for obj_id in ids[ids > 0].tolist():
            seen[str(obj_id)].append(frame)
    for listed, what in ((without, 'frame(s) have no mask'), (broken, 'mask(s) cannot be used')):
        if listed:
            what = f'{len(listed)} {what}, e.g. {listed[0]}'
            problems.add(mask_dir.name, what, 'frames skipped')
    return _VideoFiles(usable, dict(seen))


def _expressions(
    rows: Iterable[Row], files: _VideoFiles, problems: ProblemList
) -> dict[str, dict[str, str]]:
    """Return the sentences of a video, numbered in the order of the table."""
    sentences = {}
    for row in rows:
        problem = _row_problem(row, files)
        if problem is not None:
            problems.add(row.where, problem, 'row skipped')
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
                what = f'object {row.obj_id} is a {known} in a row before, here a {row.category}'
                problems.add(row.where, what, f'taken as {known}')
    seen = files.seen if files.seen is not None else dict.fromkeys(categories, files.frames)
    nameless = sorted(seen.keys() - categories.keys(), key=frame_order)
    if nameless and wants_categories:
        what = f'object(s) {", ".join(nameless[:10])} have no category'
        consequence = 'unknown to negative pairs: add a row, which needs no sentence'
        problems.add(rows[0].video, what, consequence)
    objects = {}
    for obj_id in sorted(seen, key=frame_order):
        first = files.frames.index(seen[obj_id][0])
        category = dict(category=categories[obj_id]) if obj_id in categories else {}
        objects[obj_id] = category | dict(frames=files.frames[first:])
    return objects
