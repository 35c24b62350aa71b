"""Unpack official downloads into the layout of a data set.

Archives are recognized by their content, because their names changed over the years. Only plain
files that have a place in the layout are written, so an archive cannot write elsewhere. The headers
of a zip file are checked before anything is unpacked, those of a tar file one by one.
"""

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from rich.progress import track

from r2vos_mm.utils.cli import UserError
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.files import atomic_path, is_side_file, remove_temporaries
from r2vos_mm.utils.formats.expressions import is_plain_name

from .davis import convert_davis, make_link
from .known_sets import KNOWN_SETS, LayoutPart

_ERRORS = (OSError, EOFError, RuntimeError, ValueError)
_ERRORS += (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
_SUFFIXES = ('.zip', '.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.xz')
_NAME_HEADERS = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.SOLARIS_XHDTYPE)
_NAME_HEADERS += (tarfile.XHDTYPE, tarfile.XGLTYPE)
_NAME_BYTES = _CHUNK = 1 << 20
_MAX_PADDING = 64 * _CHUNK


@dataclass(frozen=True)
class ArchiveLimits:
    """Limits of the content of an archive; the public sets contain far less.

    Attributes:
        per_file, total: bytes that a file, and all of them, unpack to.
        ratio: how many times its own size an archive of more than 1 GiB unpacks to.
        entries: number of members.
        depth: number of folders in the name of a member.
    """

    per_file: int = 1 << 32
    total: int = 1 << 38
    ratio: int = 200
    entries: int = 2_000_000
    depth: int = 32


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
    missing: tuple[LayoutPart, ...] = ()


def prepare(
    name: str,
    download_dir: Path,
    data_root: Path,
    *,
    limits: ArchiveLimits = ArchiveLimits(),
    progress: bool = True,
) -> PrepareReport:
    """Unpack archives and link unpacked folders into the layout; move and delete nothing.

    Existing files are kept, so an interrupted run can be started again.

    Args:
        name: data set, one of :data:`KNOWN_SETS`.
        download_dir: folder with the downloads, as archives (zip, tar) or unpacked, at any depth.
        data_root: folder of the data set; created if needed.
        limits, progress: refuse archives that unpack to more; show a progress bar.

    Raises:
        NotADirectoryError: ``download_dir`` is not a folder.
        OSError: the disk is full or cannot be written; the message names it.
        ValueError: an archive is broken or exceeds the limits; files of sound archives are kept.
    """
    if not download_dir.is_dir():
        raise NotADirectoryError(f'{download_dir} is not a folder: put the downloads there')
    report, parts = PrepareReport(ProblemList(str(download_dir))), KNOWN_SETS[name].parts
    for part in parts:
        _link_unpacked(part, download_dir, data_root / part.place, report)
    for path in sorted(download_dir.rglob('*')):
        is_archive = path.name.lower().endswith(_SUFFIXES) and path.is_file()
        if is_archive and not is_side_file(path.relative_to(download_dir)):
            with _open(path) as archive:
                members = _members(archive, path, limits)
                shown = track(members, path.name, disable=not progress)
                _unpack(path, _wanted(shown, parts, path.name, report), data_root, report)
    required = (part for part in parts if part.required)
    report.missing = tuple(part for part in required if not (data_root / part.place).exists())
    if name == 'ref-davis' and not report.missing:
        convert_davis(data_root, report.problems)
    return report


def _link_unpacked(
    part: LayoutPart, download_dir: Path, target: Path, report: PrepareReport
) -> None:
    """Link a part that is unpacked in the downloads; of several copies, the first by name."""
    names = filter(None, (part.place, part.alias))
    paths = (path for name in names for path in download_dir.rglob(name))
    paths = (path for path in paths if not is_side_file(path.relative_to(download_dir)))
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


class _TarHeader(tarfile.TarInfo):
    """A header that refuses very long names, which tarfile would read into memory."""

    end: tarfile.HeaderError | None = None  # what ended the archive: tarfile accepts any error

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> tarfile.TarInfo:
        """Parse a header; raise ValueError for a long name."""
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            cls.end = error
            raise
        if header.type in _NAME_HEADERS and header.size > _NAME_BYTES:
            raise ValueError(f'a name of {header.size} bytes')
        return header


def _damaged(path: Path, error: BaseException | str) -> ValueError:
    return ValueError(
        f'{path} cannot be unpacked ({error}). Download it again, or unpack it yourself beside the '
        'archives and start again'
    )


def _open(path: Path) -> zipfile.ZipFile | tarfile.TarFile:
    try:
        if path.suffix.lower() == '.zip':
            return zipfile.ZipFile(path)
        return tarfile.open(path, tarinfo=_TarHeader)
    except _ERRORS as error:
        raise _damaged(path, error) from error


def _members(
    archive: zipfile.ZipFile | tarfile.TarFile, path: Path, limits: ArchiveLimits
) -> Iterator[_Member]:
    """Yield the files of an archive, or raise ValueError if it is damaged or exceeds the limits."""
    try:
        if isinstance(archive, zipfile.ZipFile):
            yield from list(_checked(_zip_members(archive), path, limits))
        else:
            yield from _checked(_tar_members(archive), path, limits)
    except _ERRORS as error:
        raise _damaged(path, error) from error


def _zip_members(archive: zipfile.ZipFile) -> Iterator[_Member]:
    for info in archive.infolist():
        # Some tools for Windows write names with backslashes only.
        name = info.filename if '/' in info.filename else info.filename.replace('\\', '/')
        if not info.is_dir():
            is_link = stat.S_ISLNK(info.external_attr >> 16)
            yield _Member(name, info.file_size, not is_link, partial(archive.open, info))


def _tar_members(archive: tarfile.TarFile) -> Iterator[_Member]:
    for info in archive:
        if not info.isdir():
            yield _Member(info.name, info.size, info.isreg(), partial(archive.extractfile, info))
    if not isinstance(_TarHeader.end, tarfile.EOFHeaderError):
        raise ValueError(f'it ends early: {_TarHeader.end}')
    # The checksum of compressed content comes last, after some padding.
    if all(archive.fileobj.read(_CHUNK) for _ in range(_MAX_PADDING // _CHUNK)):
        raise ValueError(f'more than {_MAX_PADDING} bytes follow its end')


def _checked(members: Iterable[_Member], path: Path, limits: ArchiveLimits) -> Iterator[_Member]:
    total, allowed = 0, max(1 << 30, limits.ratio * path.stat().st_size)
    for count, member in enumerate(members, start=1):
        total += member.size
        for number, most, what in (
            (member.size, limits.per_file, f'{member.name} has {member.size} bytes'),
            (total, min(limits.total, allowed), f'its files have {total} bytes or more'),
            (count, limits.entries, f'it has {count} files or more'),
            (member.name.count('/'), limits.depth, f'{member.name[:80]}... is very deep'),
        ):
            if number > most:
                raise ValueError(f'{what}, more than the allowed {most}')
        yield member


def _wanted(
    members: Iterable[_Member], parts: Sequence[LayoutPart], archive: str, report: PrepareReport
) -> Iterator[tuple[_Member, str, str]]:
    """Yield the members that belong to a part, with its place and their path in it."""
    for member in members:
        matches = ((part.place, part.pattern.search(member.name)) for part in parts)
        place, match = next((item for item in matches if item[1]), ('', None))
        if match is None or is_side_file(member.name):
            continue
        if not member.is_plain_file:
            problem = 'is a link, not a file'
        elif match[1] and not all(map(is_plain_name, match[1].split('/'))):
            problem = 'is not a plain name'
        elif member.name.startswith('/') or '..' in member.name.split('/'):
            problem = 'is not a path within the archive'
        else:
            yield member, place, match[1]
            continue
        report.problems.add(archive, f'{member.name} {problem}', 'skipped')


def _unpack(
    path: Path, wanted: Iterable[tuple[_Member, str, str]], data_root: Path, report: PrepareReport
) -> None:
    """Write members to their places."""
    if path.suffix.lower() == '.zip':
        wanted = list(wanted)
        sizes = (m.size for m, place, inner in wanted if not (data_root / place / inner).exists())
        _require_space(data_root, sum(sizes), path.name)
    written: list[Path] = []
    folders: set[Path] = set()
    try:
        for member, place, inner in wanted:
            target = data_root / place / inner
            # A part that is a link points to a folder of the user: add nothing to it.
            if (data_root / place).is_symlink() or target.exists():
                report.already += 1
                continue
            _require_space(data_root, member.size, path.name)
            if target.parent not in folders and target.parent.is_dir():
                remove_temporaries(target.parent)  # of a killed run
            folders.add(target.parent)
            _write(target, _chunks(member, path))
            written.append(target)
    except ValueError:
        if path.suffix.lower() not in ('.zip', '.tar'):
            # The checksum that verifies the content is at the end of compressed tar files.
            for target in written:
                target.unlink()
            written.clear()
        raise
    finally:
        report.written += len(written)


def _write(target: Path, chunks: Iterable[bytes]) -> None:
    """Write a file atomically; the message of a disk error names the file."""
    try:
        with atomic_path(target) as draft, draft.open('wb') as sink:
            sink.writelines(chunks)
    except UserError:
        raise
    except OSError as error:
        raise OSError(
            f'{target} cannot be written ({error.strerror}): set --data-root to where you may write'
        ) from error


def _chunks(member: _Member, path: Path) -> Iterator[bytes]:
    """Yield the content of a member; raise ValueError if the archive is damaged."""
    try:
        with member.open() as source:
            yield from iter(partial(source.read, _CHUNK), b'')
    except _ERRORS as error:
        raise _damaged(path, error) from error


def _require_space(data_root: Path, size: int, name: str) -> None:
    """Raise OSError if the disk has less than ``size`` bytes of space for the files of ``name``."""
    folder = next(path for path in (data_root, *data_root.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(
            f'the disk of {folder} has {free / 1e9:.2f} GB left, {name} needs {size / 1e9:.2f} GB: '
            'free some space, or choose another --data-root, and start again; files that are '
            'unpacked already are kept'
        )
