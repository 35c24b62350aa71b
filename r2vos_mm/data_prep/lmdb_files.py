"""Pack the files of a folder into an LMDB database, and compare a database with its summary."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from r2vos_mm.utils.cli import UsageError, progress
from r2vos_mm.utils.files import is_side_file
from r2vos_mm.utils.formats.expressions import is_text
from r2vos_mm.utils.lazy import import_extra
from r2vos_mm.utils.storage.backends import LMDB_INFO

FORMAT = 'r2vos-lmdb/1'
_MAX_KEY, _PAGE, _AT_ONCE = 511, 4096, 1000


class Summary(NamedTuple):
    """Summary of a database: numbers of files and bytes, and a hash of all names and contents.

    ``sha256`` is that of the lines ``<SHA-256 of the file>  <name>``, sorted by name.
    """

    files: int
    bytes: int
    sha256: str


def write_lmdb(folder: Path, out: Path, *, shown: bool = True) -> Summary:
    """Pack all files of a folder, except those that operating systems add.

    Keys are paths within the folder. The database is moved to ``out`` when it is complete.

    Args:
        folder: the folder, such as the ``data_root`` of a data set. Links are followed.
        out: folder of the new database.
        shown: whether to show progress.

    Raises:
        UsageError: there is no file, ``out`` exists, or a path is longer than LMDB's keys.
        ImportError: lmdb is not installed.
    """
    lmdb, names = import_extra('lmdb', 'lmdb'), _names(folder)
    if out.exists():
        raise UsageError(f'{out} exists: remove it, or choose another name')
    draft = out.with_name(f'.{out.name}.{os.getpid()}.tmp')
    draft.parent.mkdir(parents=True, exist_ok=True)
    size = sum(os.path.getsize(folder / name) + 2 * _PAGE for name in names)
    try:
        with lmdb.open(str(draft), map_size=size + 2**24) as database:
            summary = _summary(_packed(database, folder, names, shown))
            info = dict(format=FORMAT, **summary._asdict())
            with database.begin(write=True) as transaction:
                transaction.put(LMDB_INFO, json.dumps(info).encode(), append=True)
            database.sync(True)
        (draft / 'lock.mdb').unlink(missing_ok=True)
        os.replace(draft, out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return summary


def _packed(
    database: Any, folder: Path, names: Sequence[str], shown: bool
) -> Iterator[tuple[str, bytes]]:
    """Write files to a database; yield the name and content of each."""
    steps = range(0, len(names), _AT_ONCE)
    for start in progress(steps, 'thousand files') if shown else steps:
        with database.begin(write=True) as transaction:
            for name in names[start : start + _AT_ONCE]:
                content = (folder / name).read_bytes()
                transaction.put(name.encode(), content, append=True)
                yield name, content


def check_lmdb(path: Path) -> Summary:
    """Read a whole database and return its summary.

    Raises:
        UsageError: :func:`write_lmdb` did not write it, or it differs from what was written.
    """
    lmdb = import_extra('lmdb', 'lmdb')
    try:
        with lmdb.open(str(path), readonly=True, lock=False) as database, database.begin() as view:
            stated = json.loads(view.get(LMDB_INFO) or b'{}')
            if stated.get('format') != FORMAT:
                raise UsageError(f'{path} was not written by r2vos data lmdb: it has no summary')
            files = ((key.decode(), x) for key, x in view.cursor() if key != LMDB_INFO)
            found = _summary(files)
    except lmdb.Error as error:
        raise UsageError(f'{path} is not an LMDB database that can be read ({error})') from error
    if found._asdict() != {name: stated.get(name) for name in Summary._fields}:
        raise UsageError(
            f'{path} is damaged: it has {found.files} files with SHA-256 {found.sha256[:12]}, '
            f'and had {stated.get("files")} with {str(stated.get("sha256"))[:12]}. Write it again'
        )
    return found


def _names(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise UsageError(f'{folder} is not a folder')
    found = sorted(_walk(folder), key=os.fsencode)
    if not found:
        raise UsageError(f'{folder} has no files')
    strange = [name for name in found if not is_text(name)]
    if strange:
        raise UsageError(f'{folder}: the name {strange[0]!r} is not in UTF-8: rename the file')
    long = [name for name in found if len(name.encode()) > _MAX_KEY]
    if long:
        raise UsageError(f'{folder}: the path {long[0][:80]}... is longer than {_MAX_KEY} bytes')
    return found


def _walk(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder, followlinks=True):
        for name in names:
            inner = os.path.relpath(os.path.join(parent, name), folder)
            if not is_side_file(inner):
                yield inner.replace(os.sep, '/')


def _summary(files: Iterable[tuple[str, bytes]]) -> Summary:
    """Count and hash files by name and content, which come in the order of their names."""
    number, size, digest = 0, 0, hashlib.sha256()
    for name, content in files:
        number, size = number + 1, size + len(content)
        digest.update(f'{hashlib.sha256(content).hexdigest()}  {name}\n'.encode())
    return Summary(number, size, digest.hexdigest())
