"""From the official downloads to the layout of a data set.

Archives are recognised by what is in them, not by their names, which changed over the years. What
they hold is never written under the names they give: each wanted member has its place in the
layout, and only plain files whose place is known are written. So no archive can write elsewhere.
"""

import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from rich.progress import track

from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.expressions_file import is_plain_name

from .davis import convert_davis, make_link
from .parts import PARTS, Part

_SUFFIXES = ('.zip', '.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.xz')
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to, in bytes; MeViS has one file of several hundred MB."""

    per_file: int = 1 << 32
    total: int = 1 << 36


@dataclass
class PrepareReport:
    """What was done.

    Attributes:
        written: files unpacked.
        linked: files and folders that are links now.
        already: files and folders that were there.
        missing: required parts of the layout that no download holds.
        problems: members that were left out.
    """

    problems: ProblemList
    written: int = 0
    linked: int = 0
    already: int = 0
    missing: tuple[Part, ...] = field(default=())


@dataclass(frozen=True)
class _Member:
    """A file in an archive."""

    name: str
    size: int
    is_plain_file: bool
    open: Callable[[], IO[bytes] | None]


def prepare(
    name: str,
    download_dir: Path,
    data_root: Path,
    *,
    limits: Limits = Limits(),
    progress: bool = True,
) -> PrepareReport:
    """Unpacks archives and links unpacked folders into the layout; moves and deletes nothing.

    What is there already stays, so it can be broken off and started again.

    Args:
        name: data set, one of :data:`PARTS`.
        download_dir: folder with the downloads, as archives (zip, tar) or unpacked, at any depth.
        data_root: folder of the data set; made if it is not there.
        limits: refuse archives that unpack to more.
        progress: show progress.

    Raises:
        NotADirectoryError: if there is no folder ``download_dir``.
        ValueError: if an archive is broken or exceeds the limits; what was unpacked before stays.
    """
    if not download_dir.is_dir():
        raise NotADirectoryError(f'{download_dir} is not a folder: put the downloads there')
    report = PrepareReport(ProblemList(str(download_dir)))
    parts = PARTS[name]
    _link_unpacked(parts, download_dir, data_root, report)
    for path in sorted(download_dir.rglob('*')):
        if path.is_file() and path.name.lower().endswith(_SUFFIXES):
            _unpack(path, parts, data_root, limits, progress, report)
    report.missing = tuple(
        part for part in parts if part.required and not (data_root / part.place).exists()
    )
    if name == 'ref-davis' and not report.missing:
        convert_davis(data_root, report.problems)
    return report


def _link_unpacked(
    parts: Sequence[Part], download_dir: Path, data_root: Path, report: PrepareReport
) -> None:
    """Links what lies unpacked; of two equal parts the first by name."""
    for part in parts:
        target = data_root / part.place
        found = sorted(
            path
            for name in part.known_as
            for path in download_dir.rglob(name)
            if path.is_dir() == bool(part.members)
        )
        if found and target.exists():
            report.already += 1
        elif found:
            make_link(target, found[0].resolve())
            report.linked += 1


def _unpack(
    path: Path,
    parts: Sequence[Part],
    data_root: Path,
    limits: Limits,
    progress: bool,
    report: PrepareReport,
) -> None:
    """Writes the wanted members of an archive to their places."""
    total = 0
    try:
        with _members(path) as members:
            for member in track(members, path.name, disable=not progress):
                part = next((part for part in parts if part.pattern.search(member.name)), None)
                place = part and _place(path, part, member, report)
                if place is None:
                    continue
                total += member.size
                if member.size > limits.per_file or total > limits.total:
                    raise ValueError(
                        f'{member.name} has {member.size} bytes, together {total}: '
                        f'more than the allowed {limits.per_file} and {limits.total}'
                    )
                # A part that is a link is a folder of the user's: nothing is added to it.
                if (data_root / part.place).is_symlink():
                    report.already += 1
                else:
                    _write(member, data_root / place, report)
    except (
        OSError,
        EOFError,
        RuntimeError,
        ValueError,
        tarfile.TarError,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(
            f'{path} cannot be unpacked ({error}). Download it again, or unpack it '
            'yourself beside the archives and start again'
        ) from error


def _place(path: Path, part: Part, member: _Member, report: PrepareReport) -> PurePosixPath | None:
    """Where a member of a part belongs in the layout, None if it must not be written."""
    inner = part.pattern.search(member.name)[1]
    if not member.is_plain_file:
        report.problems.add(path.name, f'{member.name} is a link, not a file', 'left out')
        return None
    if inner and not all(map(is_plain_name, inner.split('/'))):
        report.problems.add(path.name, f'{member.name} is not a plain name', 'left out')
        return None
    return PurePosixPath(part.place, inner)


def _write(member: _Member, target: Path, report: PrepareReport) -> None:
    """Writes a member under its final name only when it is complete."""
    if target.exists():
        report.already += 1
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f'.{target.name}.part')
    try:
        with member.open() as source, draft.open('wb') as sink:
            # One byte more than stated, to notice a file that is larger.
            _copy(source, sink, member.size + 1)
        if draft.stat().st_size != member.size:
            raise ValueError(f'{member.name} does not have the {member.size} bytes it states')
        os.replace(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    report.written += 1


def _copy(source: IO[bytes], sink: IO[bytes], limit: int) -> None:
    """Copies at most ``limit`` bytes."""
    while limit > 0 and (chunk := source.read(min(_CHUNK, limit))):
        sink.write(chunk)
        limit -= len(chunk)


@contextmanager
def _members(path: Path) -> Iterator[list[_Member] | Iterator[_Member]]:
    """The files of an archive."""
    if path.name.lower().endswith('.zip'):
        with zipfile.ZipFile(path) as archive:
            yield [_zip_member(archive, info) for info in archive.infolist() if not info.is_dir()]
    else:
        with tarfile.open(path) as archive:
            yield (_tar_member(archive, info) for info in archive if not info.isdir())


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    return _Member(info.filename, info.file_size, not is_link, lambda: archive.open(info))


def _tar_member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    return _Member(info.name, info.size, info.isreg(), lambda: archive.extractfile(info))
