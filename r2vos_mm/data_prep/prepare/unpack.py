"""Unpack official downloads into the layout of a data set.

Archives are recognised by their content, since their names changed over the years. Members are
never written under their own names: each wanted one has its place in the layout, and only plain
files whose place is known are written, so that no archive can write elsewhere.
"""

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from rich.progress import track

from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.expressions_file import is_plain_name
from r2vos_mm.utils.files import atomic_path

from .davis import convert_davis, make_link
from .parts import PARTS, Part

_SUFFIXES = ('.zip', '.tar', '.tar.gz', '.tgz', '.tar.bz2', '.tar.xz')


@dataclass(frozen=True)
class Limits:
    """Bytes that an archive may unpack to; MeViS has one file of several hundred MB."""

    per_file: int = 1 << 32
    total: int = 1 << 36


@dataclass
class PrepareReport:
    """Result of :func:`prepare`.

    Attributes:
        problems: members that were skipped.
        written: number of files unpacked.
        linked: number of files and folders that are links now.
        already: number of files and folders that existed before.
        missing: required parts of the layout that no download holds.
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

    Existing files stay, so that an interrupted run can be started again.

    Args:
        name: data set, one of :data:`PARTS`.
        download_dir: folder with the downloads, as archives (zip, tar) or unpacked, at any depth.
        data_root: folder of the data set; created if needed.
        limits: refuse archives that unpack to more.
        progress: show a progress bar.

    Raises:
        NotADirectoryError: ``download_dir`` is not a folder.
        ValueError: an archive is broken or exceeds the limits; what was unpacked before stays.
    """
    if not download_dir.is_dir():
        raise NotADirectoryError(f'{download_dir} is not a folder: put the downloads there')
    report = PrepareReport(ProblemList(str(download_dir)))
    parts = PARTS[name]
    for part in parts:
        _link_unpacked(part, download_dir, data_root / part.place, report)
    for path in sorted(download_dir.rglob('*')):
        if path.is_file() and path.name.lower().endswith(_SUFFIXES):
            _unpack(path, parts, data_root, limits, progress, report)
    report.missing = tuple(
        part for part in parts if part.required and not (data_root / part.place).exists()
    )
    if name == 'ref-davis' and not report.missing:
        convert_davis(data_root, report.problems)
    return report


def _link_unpacked(part: Part, download_dir: Path, target: Path, report: PrepareReport) -> None:
    """Link a part that is unpacked in the downloads; of several the first by name."""
    paths = (path for name in part.known_as for path in download_dir.rglob(name))
    found = sorted(path for path in paths if path.is_dir() == bool(part.members))
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
    """Write the wanted members of an archive to their places."""
    total = 0
    try:
        with _members(path) as members:
            for member in track(members, path.name, disable=not progress):
                part = next((part for part in parts if part.pattern.search(member.name)), None)
                problem = part and _problem(part, member)
                if problem:
                    report.problems.add(path.name, f'{member.name} {problem}', 'left out')
                if part is None or problem:
                    continue
                total += member.size
                if member.size > limits.per_file or total > limits.total:
                    raise ValueError(
                        f'{member.name} has {member.size} bytes, together {total}: '
                        f'more than the allowed {limits.per_file} and {limits.total}'
                    )
                target = data_root / part.place / part.pattern.search(member.name)[1]
                # A part that is a link is a folder of the user's: nothing is added to it.
                if (data_root / part.place).is_symlink() or target.exists():
                    report.already += 1
                    continue
                with (
                    member.open() as source,
                    atomic_path(target) as draft,
                    draft.open('wb') as sink,
                ):
                    shutil.copyfileobj(source, sink)
                report.written += 1
    except (OSError, EOFError, RuntimeError, ValueError, tarfile.TarError, zipfile.BadZipFile) as e:
        raise ValueError(
            f'{path} cannot be unpacked ({e}). Download it again, or unpack it yourself beside the '
            'archives and start again'
        ) from e


class _Member(NamedTuple):
    """A file in an archive."""

    name: str
    size: int
    is_plain_file: bool
    open: Callable[[], IO[bytes]]


def _problem(part: Part, member: _Member) -> str:
    """Return why a member of a part must not be written, '' if it may."""
    inner = part.pattern.search(member.name)[1]
    if not member.is_plain_file:
        return 'is a link, not a file'
    return '' if not inner or all(map(is_plain_name, inner.split('/'))) else 'is not a plain name'


@contextmanager
def _members(path: Path) -> Iterator[Iterator[_Member]]:
    """Open an archive and give its files."""
    if path.name.lower().endswith('.zip'):
        with zipfile.ZipFile(path) as archive:
            yield (
                _Member(
                    info.filename,
                    info.file_size,
                    not stat.S_ISLNK(info.external_attr >> 16),
                    lambda info=info: archive.open(info),
                )
                for info in archive.infolist()
                if not info.is_dir()
            )
    else:
        with tarfile.open(path) as archive:
            yield (
                _Member(
                    info.name, info.size, info.isreg(), lambda info=info: archive.extractfile(info)
                )
                for info in archive
                if not info.isdir()
            )
