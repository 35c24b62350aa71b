"""Read files within limits, write them atomically, and recognize files of operating systems."""

import contextlib
import errno
import fnmatch
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .cli import UserError
from .storage.paths import StoredPath

PathLike = str | os.PathLike[str]

MAX_FILE_BYTES = int(os.environ.get('R2VOS_MAX_FILE_BYTES', 2 * 2**30))
"""Size up to which files are read into memory."""

_TEMPORARY = re.compile(r'\..+\.(\d+)\.tmp(\.\w+)?')  # names of atomic_path, now and formerly

# What macOS, Windows, and network storage add to folders and archives, in lower case.
_SIDE_FILES = {'__macosx', '.ds_store', '.appledouble', '.spotlight-v100', '.trashes', '.fseventsd'}
_SIDE_FILES |= {'thumbs.db', 'ehthumbs.db', 'desktop.ini', '$recycle.bin', '.directory', '@eadir'}
_SIDE_FILES |= {'icon\r', 'system volume information'}


def is_side_file(name: PathLike) -> bool:
    """Return whether an operating system made the file or folder, or a folder around it.

    ``name`` is relative to the folder or archive that is read, and may have backslashes.
    """
    parts = os.fspath(name).replace('\\', '/').lower().split('/')
    return any(part in _SIDE_FILES or part.startswith('._') for part in parts)


def visible_names(folder: PathLike) -> list[str]:
    """Return the names in a folder except hidden ones and those of :func:`is_side_file`."""
    names = folder.names() if isinstance(folder, StoredPath) else os.listdir(folder)
    return [name for name in names if name[0] != '.' and not is_side_file(name)]


def folder_names(folder: Path) -> set[str]:
    """Return the names of the visible folders in a folder; none if it does not exist."""
    names = visible_names(folder) if folder.is_dir() else ()
    return {name for name in names if (folder / name).is_dir()}


def stems(folder: PathLike, suffix: str) -> set[str]:
    """Return the names, without suffix, of a folder's files of one kind; see in_any_case."""
    names, forms = map(os.path.splitext, visible_names(folder)), _forms_of(suffix)
    return {stem for stem, ending in names if ending in forms}


def in_any_case(path: PathLike) -> Path | StoredPath:
    """Return ``path``, or the existing file whose suffix means the same: ``.JPG``, ``.jpeg``.

    For paths of a storage backend, :func:`read_bytes` does this when the file is missing.
    """
    return path if isinstance(path, StoredPath) else _existing_form(Path(path))


def _existing_form(path: Path | StoredPath) -> Path | StoredPath:
    if path.exists() or not path.suffix:
        return path
    others = (path.with_suffix(form) for form in _forms_of(path.suffix))
    return next((other for other in others if other.exists()), path)


def _forms_of(suffix: str) -> list[str]:
    kinds = ('jpg', 'jpeg') if suffix.lower() in ('.jpg', '.jpeg') else (suffix.lower()[1:],)
    return [f'.{form}' for kind in kinds for form in (kind, kind.upper(), kind.capitalize())]


def read_bytes(path: PathLike) -> bytes:
    """Return the content of a regular file of at most :data:`MAX_FILE_BYTES`.

    Raises:
        OSError: it cannot be read, is larger, or is a pipe, socket or device, which may never end.
    """
    if isinstance(path, StoredPath):
        return _read_stored(path)
    check_regular(path)
    size = os.stat(path).st_size
    if size > MAX_FILE_BYTES:
        raise OSError(
            f'it has {size:,} bytes, more than {MAX_FILE_BYTES:,}; set R2VOS_MAX_FILE_BYTES to '
            'read it anyway'
        )
    with open(path, 'rb') as file:
        return file.read(size)


def _read_stored(path: StoredPath) -> bytes:
    """Return the content of an object, or of one whose suffix means the same."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        other = _existing_form(path)
        if other is path:
            raise
        return other.read_bytes()


def check_regular(path: PathLike) -> None:
    """Raise OSError if a local path is missing, or neither a regular file nor a folder."""
    if isinstance(path, StoredPath):
        return
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError('it is a pipe, a socket or a device, not a file')


class DiskFullError(UserError, OSError):
    """No space is left; the message names the file and the disk."""


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Give a temporary path to write to, and move it to ``path`` if the block succeeds.

    Folders are made as needed. The temporary path is beside ``path`` and keeps its suffix, by which
    libraries choose formats. It is removed if the block raises. No other process has its name, not
    even one of another machine that shares the disk.

    Raises:
        DiskFullError: the disk or the quota is full; ``path`` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFullError(
            f'no space left on the disk mounted at {_mount_point(path)} to write {path}; an older '
            f'one is kept. Free some space there ({error.strerror})'
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    token = secrets.token_hex(4)  # process ids of machines may be equal
    return path.with_name(f'.{path.stem}.{token}.{os.getpid()}.tmp{path.suffix}')


def _mount_point(path: Path) -> Path:
    folders = path.resolve().parents
    return next(folder for folder in folders if os.path.ismount(folder))


def remove_temporaries(folder: PathLike) -> None:
    """Remove files directly in ``folder`` that dead processes of this machine began to write."""
    for path in Path(folder).iterdir():
        found = _TEMPORARY.fullmatch(path.name)
        if found and not process_is_alive(int(found[1])):
            path.unlink(missing_ok=True)


def remove_own_folder(folder: PathLike, *patterns: str) -> None:
    """Remove a folder, if it exists, whose files all match one of some shell patterns.

    Raises:
        FileExistsError: it holds other files or folders, or is a link; nothing is removed then.
    """
    folder = Path(folder)
    if not os.path.lexists(folder):
        return
    others = [folder] if folder.is_symlink() or not folder.is_dir() else []
    for path in () if others else folder.iterdir():
        is_own = any(fnmatch.fnmatchcase(path.name, pattern) for pattern in patterns)
        is_own |= bool(_TEMPORARY.fullmatch(path.name)) or is_side_file(path.name)
        if path.is_dir() or not is_own:
            others.append(path)
    if others:
        raise FileExistsError(f'{others[0]} is not of an earlier run, so {folder} is kept: move it')
    shutil.rmtree(folder)


def process_is_alive(pid: int) -> bool:
    """Return whether a process of this machine runs.

    A zombie, which has ended but whose exit status its parent has not read, does not run. Zombies
    may remain forever in containers, whose first process often reads no exit status.
    """
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return (process_fields(pid) or 'R')[0] not in 'ZX'


def process_fields(pid: int) -> list[str]:
    """Return the fields of ``/proc/<pid>/stat`` after the name, state first; [] if unknown."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return []


def write_atomically(data: bytes | str, path: PathLike) -> None:
    """Write ``data``, text as UTF-8, and flush it to the disk before it replaces ``path``."""
    with atomic_path(path) as temporary, temporary.open('wb') as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())


def write_if_absent(data: str, path: PathLike) -> bool:
    """Write a text file unless it exists, atomically; return whether it was written.

    Only one of several processes writes it, also on machines that share a file system with links.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        temporary.write_text(data, encoding='utf-8')
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def write_json(path: PathLike, content: Any, *, indent: int | None = 1) -> None:
    """Write a JSON file atomically.

    Raises:
        TypeError: ``content`` holds something that JSON cannot represent.
    """
    write_atomically(json.dumps(content, ensure_ascii=False, indent=indent) + '\n', path)


def read_text(path: PathLike) -> str:
    """Return the text of a file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it cannot be read, or is in another encoding.
    """
    try:
        content = read_bytes(path)
        return content.decode(json.detect_encoding(content))
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{path} does not exist. Check data_root, split and ann_file of the dataset, or '
            'prepare the data (see docs/datasets.md)'
        ) from None
    except UnicodeDecodeError as error:
        line = content.count(b'\n', 0, error.start) + 1
        raise ValueError(f'{path} is not in UTF-8 (line {line}): save it as UTF-8') from error
    except OSError as error:
        raise ValueError(f'{path} cannot be read ({error})') from error


def read_json(path: PathLike, *, allow_nan: bool = False) -> Any:
    """Return the content of a JSON file.

    Args:
        path: the file.
        allow_nan: accept NaN and Infinity, which Python writes, but JSON does not have.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not JSON, too deep, or has a key twice in one dict.
    """
    text = read_text(path)
    repeated: list[tuple[dict, str]] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(pairs)
        if len(content) < len(pairs):
            keys = [key for key, _ in pairs]
            repeated.append((content, next(key for key in content if keys.count(key) > 1)))
        return content

    constants = {} if allow_nan else dict(parse_constant=_refuse)
    try:
        content = json.loads(text, object_pairs_hook=unique, **constants)
    except RecursionError:
        raise ValueError(f'{path} is not data: its lists and dicts are nested too deeply') from None
    except ValueError as error:
        reason = 'it is empty' if not text.strip() else str(error)
        raise ValueError(
            f'{path} is not valid JSON ({reason}). Download or write it again'
        ) from error
    if repeated:
        # The outermost dict comes last; those in a value that a later one replaced are lost.
        where, key = _path_to(content, repeated[-1][0]), repeated[-1][1]
        raise ValueError(
            f'{path}: key {key[:100]!r} occurs twice in {where[:200] or "the outermost dict"}, and '
            'only one of its values could be used: rename or remove one'
        )
    return content


def _refuse(constant: str) -> None:
    raise ValueError(f'{constant} is not a number of JSON')


def _path_to(content: Any, wanted: dict) -> str:
    """Return the keys that lead to a dict, separated by slashes."""
    stack = [(content, '')]
    while stack:
        item, path = stack.pop()
        if item is wanted:
            return path
        if isinstance(item, dict):
            stack += [(child, f'{path}/{key}') for key, child in item.items()]
        elif isinstance(item, list):
            stack += [(child, f'{path}/{i}') for i, child in enumerate(item)]
    return ''


def file_sha256(path: PathLike) -> str:
    """Return the SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
