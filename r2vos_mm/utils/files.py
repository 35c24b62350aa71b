"""Read JSON files, write any file atomically, and tell side files of operating systems."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PathLike = str | os.PathLike[str]

# What macOS, Windows, and network storage add to folders and archives, in lower case.
_SIDE_FILES = {'__macosx', '.ds_store', '.appledouble', '.spotlight-v100', '.trashes', '.fseventsd'}
_SIDE_FILES |= {'thumbs.db', 'ehthumbs.db', 'desktop.ini', '$recycle.bin', '.directory', '@eadir'}
_SIDE_FILES |= {'icon\r', 'system volume information'}


def is_side_file(name: PathLike) -> bool:
    """Whether an operating system made the file or folder, or a folder around it.

    These are ``__MACOSX/``, ``._*``, ``.DS_Store``, ``Thumbs.db``, ``desktop.ini`` and the like.
    ``name`` is relative to the folder or archive that is read, and may have backslashes.
    """
    parts = os.fspath(name).replace('\\', '/').lower().split('/')
    return any(part in _SIDE_FILES or part.startswith('._') for part in parts)


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Give a temporary path to write to, and move it to ``path`` if the block succeeds.

    Folders are made as needed. The temporary path is beside ``path`` and keeps its suffix, by which
    libraries choose formats. It is removed if the block raises.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}.tmp{path.suffix}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(data: bytes | str, path: PathLike) -> None:
    """Write ``data``, text as UTF-8, and flush it to the disk before it replaces ``path``."""
    with atomic_path(path) as temporary, temporary.open('wb') as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: PathLike, content: Any, *, indent: int | None = 1) -> None:
    """Write a JSON file atomically.

    Raises:
        TypeError: ``content`` holds something that JSON has no form for.
    """
    write_atomically(json.dumps(content, ensure_ascii=False, indent=indent) + '\n', path)


def read_json(path: PathLike) -> Any:
    """Return the content of a JSON file.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not JSON.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{path} does not exist. Check data_root, split and ann_file of the dataset, or '
            'prepare the data as docs/datasets.md says'
        ) from None
    except ValueError as error:
        raise ValueError(
            f'{path} is not valid JSON ({error}). Download or write it again'
        ) from error
