"""Read the manifest of a collection: which expressions to segment in which videos."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from r2vos_mm.datasets.io.videos import VIDEO_SUFFIXES
from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.files import PathLike, check_regular, is_side_file
from r2vos_mm.utils.formats.expressions import is_text
from r2vos_mm.utils.images import IMAGE_SUFFIXES
from r2vos_mm.utils.storage.faults import public_address

Span = tuple[int, int | None]  # first frame and that after the last, None for the end

_SEPARATOR = '|'  # of expressions in a cell of a CSV file
_Row = tuple[int, Any]  # line and content


class Job(NamedTuple):
    """Expressions to segment in one video.

    Attributes:
        id: name of the row, unique in the manifest.
        video: what :func:`.open_source` opens; relative paths are relative to ``folder``.
        texts: P expressions.
        span: frames [start, end) of the video, None for all.
        frames: number of frames of the video, if the manifest states it.
        folder: folder of the manifest.
    """

    id: str
    video: str
    texts: tuple[str, ...]
    span: tuple[int, int] | None = None
    frames: int | None = None
    folder: str = ''

    @property
    def path(self) -> str:
        """Address or path of the video from the working folder."""
        # Not a Path, which drops './': the names '0' and '-' alone are a camera and standard input.
        return self.video if '://' in self.video else os.path.join(self.folder or '.', self.video)

    @property
    def shown(self) -> str:
        """The video as it is written: an address has no login and no query, which may be secret."""
        return public_address(self.video)

    def as_dict(self) -> dict[str, Any]:
        """Return the row of a manifest in any folder; see :attr:`shown`."""
        video = self.shown if '://' in self.video else str(Path(self.path).absolute())
        row = dict(id=self.id, video=video, expressions=list(self.texts))
        return row if self.span is None else {**row, 'span': list(self.span)}


def read_manifest(path: PathLike, texts: Sequence[str] = ()) -> list[Job]:
    """Read and check a manifest; no video is opened.

    Args:
        path: JSON Lines or CSV with the keys ``id``, ``video``, ``expressions`` and, optionally,
            ``span`` (CSV: ``start`` and ``end``) and ``frames``; other keys are ignored. A CSV
            separates expressions by ``|``. Or a folder: its video files and folders of images,
            at all depths, are the videos, and their paths the ids.
        texts: expressions for a folder, and for rows without any.

    Raises:
        UsageError: a row has another form, an id occurs twice, or there is no row; the message
            has the number of the line.
    """
    path = Path(path)
    if path.is_dir():
        return _folder_jobs(path, texts)
    try:
        check_regular(path)
        with path.open(encoding='utf-8-sig', newline='') as file:
            rows = _csv_rows(file) if path.suffix.lower() == '.csv' else _json_rows(file)
            return _jobs(path, rows, texts)
    except csv.Error as error:
        raise UsageError(f'{path} is not a table in CSV ({error})') from error
    except UnicodeDecodeError as error:
        raise UsageError(f'{path} is not in UTF-8: save it as UTF-8') from error
    except OSError as error:
        raise UsageError(f'manifest {path} cannot be read ({error})') from error


def digest(jobs: Iterable[Job]) -> str:
    """Return a hash of all that rows depend on.

    It depends neither on the folder of the manifest nor on the signatures of addresses.
    """
    state = hashlib.sha256()
    for job in jobs:
        state.update(repr((job.id, job.shown, job.texts, job.span)).encode())
    return state.hexdigest()


def _jobs(path: Path, rows: Iterable[_Row], texts: Sequence[str]) -> list[Job]:
    jobs, lines, problems = [], {}, []
    for line, row in rows:
        problem = _problem(row, texts)
        if problem is None and row['id'] in lines:
            problem = f'id {row["id"]!r} is that of line {lines[row["id"]]}'
        if problem is not None:
            problems.append(f'line {line}: {problem}')
            continue
        lines[row['id']] = line
        jobs.append(_job(row, texts, str(path.parent)))
    if problems:
        more = f' (and {len(problems) - 1} more)' if len(problems) > 1 else ''
        raise UsageError(f'{path}: {problems[0]}{more}')
    if not jobs:
        raise UsageError(f'{path} has no rows: give one per video')
    return jobs


def _job(row: dict[str, Any], texts: Sequence[str], folder: str) -> Job:
    span, own = row.get('span'), row.get('expressions') or texts
    return Job(
        id=row['id'],
        video=row['video'],
        texts=tuple(own),
        span=None if span is None else (span[0], span[1]),
        frames=row.get('frames'),
        folder=folder,
    )


def _problem(row: Any, texts: Sequence[str]) -> str | None:
    """Return what is wrong with a row."""
    if not isinstance(row, dict):
        return row if isinstance(row, str) else f'expected an object, got {type(row).__name__}'
    for name in ('id', 'video'):
        if not is_text(row.get(name)):
            return f'{name!r} is {row.get(name)!r}, not text'
    own = row.get('expressions') or texts
    if not isinstance(own, (list, tuple)) or not own or not all(map(is_text, own)):
        return f"'expressions' are {own!r}, not a list of texts"
    span, frames = row.get('span'), row.get('frames')
    if span is not None and not _is_span(span):
        return f"'span' is {span!r}, not [start, end] with 0 <= start < end"
    if frames is not None and not _is_count(frames):
        return f"'frames' is {frames!r}, not a number of frames"
    return None


def _is_span(span: Any) -> bool:
    has_form = isinstance(span, list) and len(span) == 2 and all(map(_is_count, span))
    return has_form and span[0] < span[1]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _json_rows(lines: Iterable[str]) -> Iterator[_Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, f'not JSON ({error})'


def _csv_rows(file: Iterable[str]) -> Iterator[_Row]:
    reader = csv.DictReader(file)
    for cells in reader:
        yield reader.line_num, _csv_row({k: v for k, v in cells.items() if isinstance(v, str)})


def _csv_row(cells: dict[str, str]) -> dict[str, Any] | str:
    """Return the row of JSON Lines that a line of a CSV file stands for."""
    given = {name: cell.strip() for name, cell in cells.items() if cell.strip()}
    row: dict[str, Any] = {name: given[name] for name in ('id', 'video') if name in given}
    texts = given.get('expressions', '').split(_SEPARATOR)
    row['expressions'] = [text.strip() for text in texts if text.strip()]
    try:
        numbers = {n: int(given[n]) for n in ('start', 'end', 'frames') if n in given}
    except ValueError as error:
        return f'start, end and frames are numbers ({error})'
    if 'start' in numbers or 'end' in numbers:
        row['span'] = [numbers.get('start', 0), numbers.get('end')]
    return {**row, 'frames': numbers.get('frames')}


def _folder_jobs(folder: Path, texts: Sequence[str]) -> list[Job]:
    if not texts or not all(map(is_text, texts)):
        raise UsageError(f'{folder} is a folder: give the expressions to segment in its videos')
    names = sorted(str(path.relative_to(folder)) for path in _videos(folder))
    if not names:
        raise UsageError(f'{folder} has neither video files nor folders of images')
    for name in names:
        if not is_text(name):
            raise UsageError(f'{folder}: the name {name!r} is not in UTF-8: rename the file')
    return [Job(name, name, tuple(texts), folder=str(folder)) for name in names]


def _videos(folder: Path) -> Iterator[Path]:
    """Yield the video files and the folders of images below a folder."""
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        suffixes = {name: Path(name).suffix.lower() for name in files if not _is_hidden(name)}
        yield from (Path(root, name) for name in suffixes if suffixes[name] in VIDEO_SUFFIXES)
        if Path(root) != folder and not set(suffixes.values()).isdisjoint(IMAGE_SUFFIXES):
            yield Path(root)


def _is_hidden(name: str) -> bool:
    return name.startswith('.') or is_side_file(name)
