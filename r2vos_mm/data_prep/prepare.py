"""Unpack official downloads into the layout of a data set.

Archives are recognized by their content, because their names changed over the years. Members are
not written under their own names: each wanted one has a place in the layout. Only plain files with
such a place are written, so an archive cannot write elsewhere.
"""

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from rich.progress import track

from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.expressions_file import is_plain_name
from r2vos_mm.utils.files import atomic_path

from .davis import convert_davis, make_link
from .known_sets import KNOWN_SETS, Part

_ERRORS = (OSError, EOFError, RuntimeError, ValueError, tarfile.TarError, zipfile.BadZipFile)
_SUFFIXES = ('.zip', '.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.xz')


@dataclass(frozen=True)
class Limits:
    """Bytes that an archive may unpack to; MeViS has a file of several hundred MB."""

    per_file: int = 1 << 32
    total: int = 1 << 36


@dataclass
class PrepareReport:
    """Result of :func:`prepare`.

    Attributes:
        problems: members that were skipped.
        written: number of files unpacked.
        linked: number of files and folders linked.
        already: number of files and folders that existed before.
        missing: required parts of the layout that no download contains.
    """

    problems: ProblemList
    written: int = 0
    linked: int = 0
    already: int = 0
    missing: tuple[Part, ...] = ()


def prepare(
    name: str,
    download_dir: Path,
    data_root: Path,
    *,
    limits: Limits = Limits(),
    progress: bool = True,
) -> PrepareReport:
    """Unpack archives and link unpacked folders into the layout; move and delete nothing.

    Existing files are kept, so an interrupted run can be started again.

    Args:
        name: data set, one of :data:`KNOWN_SETS`.
        download_dir: folder with the downloads, as archives (zip, tar) or unpacked, at any depth.
        data_root: folder of the data set; created if needed.
        limits: refuse archives that unpack to more.
        progress: show a progress bar.

    Raises:
        NotADirectoryError: ``download_dir`` is not a folder.
        ValueError: an archive is broken or exceeds the limits; files unpacked before are kept.
    """
    if not download_dir.is_dir():
        raise NotADirectoryError(f'{download_dir} is not a folder: put the downloads there')
    report = PrepareReport(ProblemList(str(download_dir)))
    parts = KNOWN_SETS[name].parts
    for part in parts:
        _link_unpacked(part, download_dir, data_root / part.place, report)
    for path in sorted(download_dir.rglob('*')):
        if path.is_file() and path.name.lower().endswith(_SUFFIXES):
            members = track(_members(path), path.name, disable=not progress)
            try:
                _unpack(_wanted(members, parts, path.name, report), data_root, limits, report)
            except _ERRORS as error:
                raise ValueError(
                    f'{path} cannot be unpacked ({error}). Download it again, or unpack it '
                    'yourself beside the archives and start again'
                ) from error
    required = (part for part in parts if part.required)
    report.missing = tuple(part for part in required if not (data_root / part.place).exists())
    if name == 'ref-davis' and not report.missing:
        convert_davis(data_root, report.problems)
    return report


def _link_unpacked(part: Part, download_dir: Path, target: Path, report: PrepareReport) -> None:
    """Link a part that is unpacked in the downloads; of several the first by name."""
    names = filter(None, (part.place, part.alias))
    paths = (path for name in names for path in download_dir.rglob(name))
    found = sorted(path for path in paths if path.is_dir() == bool(part.members))
    if found and target.exists():
        report.already += 1
    elif found:
        make_link(target, found[0].resolve())
        report.linked += 1


class _Member(NamedTuple):
    """A file in an archive."""

    name: str
    size: int
    is_plain_file: bool
    open: Callable[[], IO[bytes]]


def _members(path: Path) -> Iterator[_Member]:
    if path.name.lower().endswith('.zip'):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    is_link = stat.S_ISLNK(info.external_attr >> 16)
                    opener = partial(archive.open, info)
                    yield _Member(info.filename, info.file_size, not is_link, opener)
    else:
        with tarfile.open(path) as archive:
            for info in archive:
                if not info.isdir():
                    opener = partial(archive.extractfile, info)
                    yield _Member(info.name, info.size, info.isreg(), opener)


def _wanted(
    members: Iterable[_Member], parts: Sequence[Part], archive: str, report: PrepareReport
) -> Iterator[tuple[_Member, str, str]]:
    """Yield the members that belong to a part, with its place and their path in it."""
    for member in members:
        matches = ((part.place, part.pattern.search(member.name)) for part in parts)
        for place, match in (item for item in matches if item[1]):
            inner = match[1].split('/') if match[1] else ()
            if member.is_plain_file and all(map(is_plain_name, inner)):
                yield member, place, match[1]
            else:
                problem = 'is not a plain name' if member.is_plain_file else 'is a link, not a file'
                report.problems.add(archive, f'{member.name} {problem}', 'left out')
            break


def _unpack(
    wanted: Iterable[tuple[_Member, str, str]],
    data_root: Path,
    limits: Limits,
    report: PrepareReport,
) -> None:
    """Write members to their places."""
    total = 0
    for member, place, inner in wanted:
        total += member.size
        if member.size > limits.per_file or total > limits.total:
            raise ValueError(
                f'{member.name} has {member.size} bytes, together {total}: '
                f'more than the allowed {limits.per_file} and {limits.total}'
            )
        target = data_root / place / inner
        # A part that is a link is a folder of the user's: nothing is added to it.
        if (data_root / place).is_symlink() or target.exists():
            report.already += 1
            continue
        with member.open() as source, atomic_path(target) as draft, draft.open('wb') as sink:
            shutil.copyfileobj(source, sink)
        report.written += 1
