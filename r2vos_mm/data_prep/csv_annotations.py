"""Write the JSON files of the layout from a table of expressions and folders of frames and masks.

The table is a CSV file with a header line; ``category`` is optional::

    video,obj_id,category,exp
    bear,1,bear,a brown bear
    bear,1,bear,the animal walking to the left
    bear,2,dog,

A row without an expression gives the category of an object for negative pairs.
"""

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from r2vos_mm.datasets.io.mask_sources import checked_size
from r2vos_mm.utils.data_issues import DataFileError, ProblemList
from r2vos_mm.utils.files import (
    in_any_case,
    read_bytes,
    read_text,
    stems,
    visible_names,
    write_json,
)
from r2vos_mm.utils.formats.expressions import (
    MAX_OBJECT_ID,
    frame_order,
    is_plain_name,
    is_text,
    object_number,
)
from r2vos_mm.utils.images import image_size
from r2vos_mm.utils.masks_io import decode_label_png

_COLUMNS = ('video', 'obj_id', 'exp')
_LINE_BREAKS = re.compile(r'[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+')
_OTHER_IMAGES = ('.png', '.bmp', '.webp', '.tif', '.tiff')


class CsvRow(NamedTuple):
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
        """Return the numbers of videos, frames, objects and expressions as one line."""
        videos, entries = self.meta_expressions['videos'].values(), self.meta['videos'].values()
        objects = [item for entry in entries for item in entry['objects'].values()]
        frames, expressions = (
            sum(len(video[key]) for video in videos) for key in ('frames', 'expressions')
        )
        named = sum('category' in item for item in objects)
        return (
            f'{len(videos)} videos, {frames} frames, {len(objects)} objects ({named} with '
            f'category), {expressions} sentences'
        )


class _VideoFiles(NamedTuple):
    """Usable frames in order, and {object: frames in which it is visible}; None without masks."""

    frames: list[str]
    seen: dict[str, list[str]] | None


def make_meta(table: Path, data_root: Path, *, split: str = 'train') -> MetaFiles:
    """Read the table and every mask.

    Frames without a mask are skipped, unless the whole video has none (for testing).

    Raises:
        FileNotFoundError: the table or ``<data_root>/<split>/JPEGImages`` is missing.
        ValueError: the table has another form, or nothing in it can be used.
    """
    problems = ProblemList(str(table))
    rows: dict[str, list[CsvRow]] = defaultdict(list)
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
        found = files and _expressions(rows[video], files, problems)
        if found:
            expressions[video] = dict(expressions=found, frames=files.frames)
            objects[video] = dict(objects=_objects(rows[video], files, wants_categories, problems))
    for name in sorted(set(visible_names(frame_root)) - rows.keys()):
        if (frame_root / name).is_dir():
            problems.add(name, 'folder, but in no row', 'folder unused')
    if not expressions:
        raise ValueError(f'no row of {table} can be used:\n{problems.table()}')
    return MetaFiles(dict(videos=expressions), dict(videos=objects), problems)


def read_table(path: Path) -> list[CsvRow]:
    """Return the rows of a table, whose columns are separated by commas, semicolons or tabs.

    Line breaks within a cell become blanks.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not UTF-8, lacks a column or names one twice, has no row below its first
            line, a row of too many cells, or an unclosed quote; the message names the line.
    """
    text = read_text(path)
    stated = re.match(r'"?sep=(.)"?(\r\n|\n|\r)', text, re.IGNORECASE)  # as spreadsheets write it
    body = text[stated.end() :] if stated else text
    header = re.split('[\r\n]', body, maxsplit=1)[0]
    delimiter = stated[1] if stated else max(',;\t', key=header.count)
    lines = _cells(path, body, delimiter, skipped_lines=int(stated is not None))
    names = _checked_names([name.strip().lower() for name in next(lines, (1, []))[1]], path, header)
    rows = []
    for line, cells in lines:
        if problem := _cells_problem(cells, names, delimiter):
            raise ValueError(f'{path}, line {line} has {problem}')
        if any(cells):
            found = dict(zip(names, (_LINE_BREAKS.sub(' ', cell).strip() for cell in cells)))
            rows.append(CsvRow(line, *(found.get(name, '') for name in CsvRow._fields[1:])))
    if not rows:
        raise ValueError(f'{path} has no row below its first line')
    return rows


def _checked_names(names: list[str], path: Path, header: str) -> list[str]:
    missing = [name for name in _COLUMNS if name not in names]
    twice = [name for name in CsvRow._fields if names.count(name) > 1]
    if missing or twice:
        what = f'no column {", ".join(missing)}' if missing else f'two columns {", ".join(twice)}'
        raise ValueError(
            f'{path} has {what} in its first line, which is {header[:100]!r}. '
            'Expected: video,obj_id,category,exp'
        )
    return names


def _cells_problem(cells: Sequence[str], names: Sequence[str], delimiter: str) -> str | None:
    if any(cells[len(names) :]):
        return (
            f'{len(cells)} cells, the first line {len(names)}: put expressions that contain '
            f'{delimiter!r} in double quotes'
        )
    if any(_hides_row(cell, names, delimiter) for cell in cells):
        return 'a cell that contains the rows below it: a double quote is not closed'
    return None


def _cells(
    path: Path, text: str, delimiter: str, *, skipped_lines: int
) -> Iterator[tuple[int, list[str]]]:
    """Yield (number of its last line, cells) of each row."""
    stream = io.StringIO(text, newline='')  # keeps line breaks within quoted cells
    reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            if '\0' in ''.join(cells):
                raise csv.Error('it has a NUL character')
            yield reader.line_num + skipped_lines, cells
    except csv.Error as error:
        line = reader.line_num + skipped_lines
        raise ValueError(
            f'{path}, line {line} or the quoted cell that ends there is broken ({error}): close '
            'each double quote, and write quotes within a cell twice'
        ) from error


def _hides_row(cell: str, names: Sequence[str], delimiter: str) -> bool:
    """Return whether a line of a cell looks like a row, as after an unclosed quote."""
    for line in _LINE_BREAKS.split(cell)[1:]:
        cells = line.split(delimiter)
        if len(cells) >= len(names) and object_number(cells[names.index('obj_id')]):
            return True
    return False


def _read_video(split_dir: Path, video: str, problems: ProblemList) -> _VideoFiles | None:
    """Return the usable files of a video; None, with a problem, if there are none."""
    frame_dir, mask_dir = split_dir / 'JPEGImages' / video, split_dir / 'Annotations' / video
    if not is_plain_name(video) or not frame_dir.is_dir():
        problems.add(video or '(no video)', f'JPEGImages/{video} is not a folder', 'video skipped')
        return None
    names = sorted(visible_names(frame_dir))
    others = [name for name in names if Path(name).suffix.lower() in _OTHER_IMAGES]
    _add_skipped(video, others, 'frame(s) are not .jpg', problems)
    sizes = _frame_sizes(frame_dir, problems)
    files = _VideoFiles(list(sizes), None)
    if mask_dir.is_dir():
        files = _read_masks(mask_dir, sizes, problems)
    if files.frames:
        return files
    problems.add(video, 'has no usable frame', 'video skipped')
    return None


def _frame_sizes(frame_dir: Path, problems: ProblemList) -> dict[str, tuple[int, int]]:
    """Return {frame: (height, width)} of the readable frames of the most common size, in order."""
    sizes, broken = {}, []
    for frame in sorted(stems(frame_dir, '.jpg'), key=frame_order):
        try:
            sizes[frame] = image_size(frame_dir / f'{frame}.jpg')
        except DataFileError as error:
            broken.append(str(error))
    common = Counter(sizes.values()).most_common(1)[0][0] if sizes else None
    others = [f'{frame} of {size}' for frame, size in sizes.items() if size != common]
    _add_skipped(frame_dir.name, broken, 'frame(s) cannot be used', problems)
    what = f'frame(s) differ from the size {common} (height, width) of the others'
    _add_skipped(frame_dir.name, others, what, problems)
    return {frame: size for frame, size in sizes.items() if size == common}


def _read_masks(
    mask_dir: Path, sizes: Mapping[str, tuple[int, int]], problems: ProblemList
) -> _VideoFiles:
    """Return the frames that have a mask, and those in which each object is visible."""
    usable, seen, without, broken = [], defaultdict(list), [], []
    masks = stems(mask_dir, '.png')
    for frame, size in sizes.items():
        if frame not in masks:
            without.append(frame)
            continue
        name = f'{frame}.png'
        try:
            ids = decode_label_png(read_bytes(in_any_case(mask_dir / name)), name)
            ids = np.unique(checked_size(ids, *size, name))
        except (OSError, DataFileError) as error:
            broken.append(str(error))
            continue
        usable.append(frame)
        for obj_id in ids[ids > 0].tolist():
            seen[str(obj_id)].append(frame)
    _add_skipped(mask_dir.name, without, 'frame(s) have no mask', problems)
    _add_skipped(mask_dir.name, broken, 'mask(s) cannot be used', problems)
    return _VideoFiles(usable, dict(seen))


def _add_skipped(video: str, found: Sequence[str], what: str, problems: ProblemList) -> None:
    if found:
        problems.add(video, f'{len(found)} {what}, e.g. {found[0]}', 'frames skipped')


def _expressions(
    rows: Iterable[CsvRow], files: _VideoFiles, problems: ProblemList
) -> dict[str, dict[str, str]]:
    """Return the expressions of a video, numbered in the order of the table."""
    expressions = {}
    for row in rows:
        problem = _row_problem(row, files)
        if problem is not None:
            problems.add(row.where, problem, 'row skipped')
        elif row.exp:
            obj_id = dict(obj_id=object_number(row.obj_id)) if row.obj_id else {}
            expressions[str(len(expressions))] = dict(exp=row.exp) | obj_id
    if not expressions:
        problems.add(rows[0].video, 'has no usable expression', 'video skipped')
    return expressions


def _row_problem(row: CsvRow, files: _VideoFiles) -> str | None:
    if not row.exp and not row.category:
        return 'has neither expression nor category'
    if row.exp and not is_text(row.exp):
        return 'expression has half a character (a lone surrogate)'
    if not row.obj_id:
        return None if files.seen is None else 'has no obj_id'
    number = object_number(row.obj_id)
    if number is None:
        return f'obj_id {row.obj_id[:50]!r} is not a number from 1 to {MAX_OBJECT_ID}'
    if files.seen is not None and number not in files.seen:
        found = ', '.join(sorted(files.seen, key=frame_order)[:10]) or 'none'
        return f'obj_id {row.obj_id} is in no mask (the masks have: {found})'
    return None


def _objects(
    rows: Iterable[CsvRow], files: _VideoFiles, wants_categories: bool, problems: ProblemList
) -> dict[str, dict[str, Any]]:
    """Return the objects of a video for ``meta.json``: category, and frames from the first on."""
    categories: dict[str, str] = {}
    for row in rows:
        number = object_number(row.obj_id)
        if row.category and number:
            known = categories.setdefault(number, row.category)
            if known != row.category:
                what = f'object {row.obj_id} is a {known} in a row before, here a {row.category}'
                problems.add(row.where, what, f'taken as {known}')
    seen = files.seen if files.seen is not None else dict.fromkeys(categories, files.frames)
    nameless = sorted(seen.keys() - categories.keys(), key=frame_order)
    if nameless and wants_categories:
        what = f'object(s) {", ".join(nameless[:10])} have no category'
        consequence = 'unknown to negative pairs: add a row, which needs no expression'
        problems.add(rows[0].video, what, consequence)
    objects = {}
    for obj_id in sorted(seen, key=frame_order):
        first = files.frames.index(seen[obj_id][0])
        category = dict(category=categories[obj_id]) if obj_id in categories else {}
        objects[obj_id] = category | dict(frames=files.frames[first:])
    return objects
