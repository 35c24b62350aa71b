"""Name the files of storage backends like local paths, and read them with timeouts and retries.

MMEngine is imported when a file of a backend is read, not before.
"""

from __future__ import annotations

import fnmatch
import io
import os
import posixpath
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from ..cli import UsageError, UserError, one_line
from .faults import missing, refuse_secrets, with_retries

BackendArgs = Mapping[str, Any] | None

_SCHEME = re.compile(r'\w[\w+.-]*://')
_backends: dict[tuple[int, str], Any] = {}


class StoredPath(str):
    """The address of a file or folder in a storage backend, with the methods of a path.

    As text it is the address. Methods that read raise FileNotFoundError if there is no such
    object, and StorageError if the backend does not answer after all retries, or refuses.

    Args:
        address: ``s3://bucket/folder``, or a name within an archive or database; '' for its top.
        backend_args: arguments of MMEngine's ``get_file_backend``. For all backends, ``retries``
            (3) is how often a read is tried again after a fault that may pass, and ``wait`` (0.5)
            the seconds before the first of these, doubled each time up to 10.
    """

    backend_args: dict[str, Any]

    def __new__(cls, address: object, backend_args: Mapping[str, Any]) -> StoredPath:
        self = super().__new__(cls, ''.join(_split(str(address))))
        self.backend_args = dict(backend_args)
        return self

    def __reduce__(self) -> tuple[type, tuple]:
        return StoredPath, (str(self), self.backend_args)

    def __truediv__(self, name: object) -> StoredPath:
        scheme, rest = _split(str(self))
        added = str(name)
        if _SCHEME.match(added) or added.startswith('/'):
            return StoredPath(added, self.backend_args)
        return StoredPath(scheme + (f'{rest}/{added}' if rest else added), self.backend_args)

    @property
    def _pure(self) -> PurePosixPath:
        return PurePosixPath(_split(str(self))[1])

    @property
    def name(self) -> str:
        """The last part."""
        return self._pure.name

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return self._pure.stem

    @property
    def suffix(self) -> str:
        """The suffix, such as ``.jpg``."""
        return self._pure.suffix

    @property
    def parent(self) -> StoredPath:
        """The folder."""
        scheme, rest = _split(str(self))
        return StoredPath(scheme + posixpath.dirname(rest), self.backend_args)

    def with_name(self, name: str) -> StoredPath:
        """Return the path of another name in the same folder."""
        return self.parent / name

    def with_suffix(self, suffix: str) -> StoredPath:
        """Return the path with another suffix."""
        return self.parent / self._pure.with_suffix(suffix).name

    def is_file(self) -> bool:
        """Return whether there is such an object."""
        return self._call('isfile')

    def is_dir(self) -> bool:
        """Return whether there are objects in such a folder."""
        return self._call('isdir')

    def exists(self) -> bool:
        """Return whether there is such an object or folder."""
        return self.is_file() or self.is_dir()

    def names(self) -> list[str]:
        """Return the names in a folder."""
        return self._call('list_dir_or_file', then=list)

    def glob(self, pattern: str) -> list[StoredPath]:
        """Return the paths in the folder, if there is one, whose names match a pattern."""
        try:
            return [self / name for name in fnmatch.filter(self.names(), pattern)]
        except FileNotFoundError:
            return []

    def read_bytes(self) -> bytes:
        """Return the content."""
        content = self._call('get')
        if content is None:  # LMDB has no such key
            raise missing(str(self))
        return bytes(content)

    def write_bytes(self, content: bytes) -> None:
        """Write the object."""
        self._call('put', before=(content,))

    def open(self, mode: str = 'rb') -> BinaryIO:
        """Return a file of the content, which is read as a whole."""
        if mode != 'rb':
            raise ValueError(f'{self} is opened for reading bytes only')
        return io.BytesIO(self.read_bytes())

    def _call(
        self, method: str, *, before: tuple = (), then: Callable[[Any], Any] | None = None
    ) -> Any:
        """Call a method of the backend with the address, again after faults that may pass."""
        limits = {k: self.backend_args[k] for k in ('retries', 'wait') if k in self.backend_args}

        def call() -> Any:
            backend = _backend_of(self.backend_args, str(self))
            if not hasattr(backend, method):
                raise NotImplementedError(f'{type(backend).__name__} has no {method}')
            found = getattr(backend, method)(*before, str(self))
            return found if then is None else then(found)

        return with_retries(call, str(self), **limits)


def storage_path(path: str | os.PathLike[str], backend_args: BackendArgs) -> Path | StoredPath:
    """Return a local path, or with ``backend_args`` a path of that backend, unless it is one."""
    if isinstance(path, StoredPath):
        return path
    if backend_args is None or backend_args.get('backend') == 'local':
        return Path(path)
    return StoredPath(path, backend_args)


def is_address(path: object) -> bool:
    """Return whether a path is an address, such as ``s3://bucket/folder``."""
    return bool(_SCHEME.match(str(path)))


def default_backend(address: str) -> dict[str, Any]:
    """Return the arguments of the backend of fsspec for an address."""
    return dict(backend='fsspec', protocol=address.partition('://')[0])


def as_path(path: str | os.PathLike[str]) -> Path | StoredPath:
    """Return a path of a backend as it is, any other as a local one."""
    return path if isinstance(path, StoredPath) else Path(path)


def as_text(path: Path | StoredPath) -> str:
    """Return a path as text, which for a backend is also its path."""
    return path if isinstance(path, StoredPath) else str(path)


def as_source(path: Path | StoredPath) -> str | BinaryIO:
    """Return what readers of files take: the name of a local file, or a file in memory."""
    return path.open('rb') if isinstance(path, StoredPath) else str(path)


@contextmanager
def local_file(path: Path | StoredPath) -> Iterator[Path]:
    """Give a local file: the path itself, or a copy of an object, removed after the block."""
    if not isinstance(path, StoredPath):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix='r2vos_') as folder:
        copy = Path(folder, path.name or 'object')
        copy.write_bytes(path.read_bytes())
        yield copy


def _backend_of(backend_args: Mapping[str, Any], address: str) -> Any:
    """Return the backend, made once per process: open files are not shared with forked ones."""
    scheme = _SCHEME.match(address)
    key = os.getpid(), f'{scheme and scheme[0]} {sorted(backend_args.items())!r}'
    if key not in _backends:
        from mmengine.fileio import get_file_backend

        from . import backends  # noqa: F401, registers them

        refuse_secrets({'backend_args': backend_args})
        options = dict(backend_args)
        if options.get('backend') != 'fsspec':
            options = {k: v for k, v in options.items() if k not in ('retries', 'wait')}
        is_web = 'backend' not in options and address.startswith(('http://', 'https://'))
        if is_web or options.get('backend') == 'http':
            options['backend'] = 'http_with_timeout'  # MMEngine's waits forever
        try:
            _backends[key] = get_file_backend(address, backend_args=options)
        except (ImportError, UserError):
            raise
        except KeyError as error:
            raise UsageError(f'backend_args={options}: there is no backend {error}') from error
        except (TypeError, ValueError, OSError) as error:
            raise UsageError(f'backend_args={options}: {one_line(error)}') from error
    return _backends[key]


def _split(address: str) -> tuple[str, str]:
    """Return the scheme with ``://``, '' if there is none, and the rest without useless parts."""
    found = _SCHEME.match(address)
    scheme = found[0] if found else ''
    rest = address[len(scheme) :]
    rest = posixpath.normpath(rest) if rest else ''
    return scheme, '' if rest == '.' else rest
