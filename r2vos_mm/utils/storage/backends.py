"""Register storage backends with MMEngine: fsspec, LMDB with folders, and archives."""

from __future__ import annotations

import bisect
import copy
import functools
import importlib.util
import io
import os
import tarfile
import zipfile
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.request import urlopen

from mmengine.fileio import FileClient, HTTPBackend, LmdbBackend, register_backend
from mmengine.fileio.backends import BaseStorageBackend

from ..lazy import import_extra
from .faults import RETRIES, WAIT, with_retries

TIMEOUT = 20.0
_S3, _HTTP = ('s3', 's3a'), ('http', 'https')
LMDB_INFO = b'\xff'  # key of the summary of a database; no path begins with this byte
_AFTER_SLASH = b'0'  # the character after '/'


class _Backend(BaseStorageBackend):
    """Base class with the methods that all backends share."""

    def get_text(self, filepath: str, encoding: str = 'utf-8') -> str:
        """Return the content as text."""
        return self.get(filepath).decode(encoding)

    def exists(self, filepath: str) -> bool:
        """Return whether there is such an object or folder."""
        return self.isfile(filepath) or self.isdir(filepath)

    def join_path(self, filepath: str, *filepaths: str) -> str:
        """Return an address from parts."""
        return '/'.join([str(filepath).rstrip('/'), *(str(p).strip('/') for p in filepaths)])

    @abstractmethod
    def entries(self, folder: str) -> Iterable[tuple[str, bool]]:
        """Return the names in a folder, and whether each is a folder."""

    def list_dir_or_file(
        self,
        dir_path: str,
        list_dir: bool = True,
        list_file: bool = True,
        suffix: str | tuple[str, ...] | None = None,
        recursive: bool = False,
    ) -> Iterator[str]:
        """Yield the names of folders or files in a folder, as MMEngine's functions ask for them."""
        if recursive:
            raise NotImplementedError(f'{type(self).__name__} lists single folders')
        for name, is_folder in self.entries(dir_path):
            if (list_dir if is_folder else list_file) and name.endswith(suffix or ''):
                yield name


def _retried(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method, whose last argument is an address, that tries again after faults."""

    @functools.wraps(method)
    def call(self: Any, *args: Any) -> Any:
        return with_retries(lambda: method(self, *args), str(args[-1]), **self.limits)

    return call


@register_backend('fsspec')
class FsspecBackend(_Backend):
    """Objects of any file system of fsspec: S3, HTTP, Google Cloud, archives, ...

    Args:
        protocol: name of the file system, such as ``'s3'``, ``'http'`` or ``'memory'``.
        timeout: seconds to wait for a connection and for each part of an answer (S3, HTTP).
        retries, wait: see :class:`r2vos_mm.utils.storage.paths.StoredPath`.
        **options: such as ``endpoint_url`` of S3; credentials come from the environment.

    Raises:
        ImportError: what the protocol needs is not installed.
    """

    def __init__(
        self,
        protocol: str,
        *,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        wait: float = WAIT,
        **options: Any,
    ) -> None:
        self.protocol, self.timeout, self.options = protocol, timeout, options
        self.limits = dict(retries=retries, wait=wait)
        self._opened: tuple[int, Any] = (-1, None)
        _ = self.fs

    @property
    def fs(self) -> Any:
        """The file system, reopened in a forked process."""
        if self._opened[0] != os.getpid():
            self._opened = os.getpid(), self._open()
        return self._opened[1]

    def _open(self) -> Any:
        fsspec, options = import_extra('fsspec', 's3'), dict(self.options)
        try:
            if self.protocol in _S3:
                limits = dict(connect_timeout=self.timeout, read_timeout=self.timeout)
                limits['retries'] = dict(total_max_attempts=1)
                options['config_kwargs'] = limits | options.get('config_kwargs', {})
            elif self.protocol in _HTTP:
                aiohttp = import_extra('aiohttp', 's3')
                limit = dict(sock_connect=self.timeout, sock_read=self.timeout)
                limit = dict(timeout=aiohttp.ClientTimeout(total=None, **limit), trust_env=True)
                options['client_kwargs'] = limit | options.get('client_kwargs', {})
            elif self.protocol in ('file', 'local'):
                options.setdefault('auto_mkdir', True)
            fs = fsspec.filesystem(self.protocol, skip_instance_cache=True, **options)
        except ImportError as error:
            raise ImportError(f"{error}; for S3: pip install 'r2vos_mm[s3]'") from error
        if self.protocol in _S3:
            fs.retries = 1  # StoredPath tries again
        return fs

    @_retried
    def get(self, filepath: str) -> bytes:
        """Return the content of an object."""
        # s3fs would ask for the size of each object first, to read large ones in parts at once.
        is_s3 = self.protocol in _S3
        return self.fs.cat_file(str(filepath), **(dict(max_concurrency=1) if is_s3 else {}))

    @_retried
    def put(self, obj: bytes, filepath: str) -> None:
        """Write an object; readers see the old or the new one."""
        self.fs.pipe_file(str(filepath), bytes(obj))

    def put_text(self, obj: str, filepath: str, encoding: str = 'utf-8') -> None:
        """Write text."""
        self.put(obj.encode(encoding), filepath)

    @_retried
    def isfile(self, filepath: str) -> bool:
        """Return whether there is such an object; other errors than its absence are raised."""
        return self._kind(filepath) == 'file'

    @_retried
    def isdir(self, filepath: str) -> bool:
        """Return whether there are objects in such a folder."""
        if self.protocol not in _HTTP:
            return self._kind(filepath) == 'directory'
        try:  # a page of HTTP is a folder if it has links to others
            return bool(self.fs.ls(f'{filepath}/', detail=False))
        except FileNotFoundError:
            return False

    def _kind(self, filepath: str) -> str | None:
        try:
            return self.fs.info(str(filepath))['type']
        except FileNotFoundError:
            return None

    @_retried
    def entries(self, folder: str) -> list[tuple[str, bool]]:
        """See the base class."""
        entries = []
        for item in self.fs.ls(f'{folder}/' if self.protocol in _HTTP else folder, detail=True):
            path = item['name'].rstrip('/')
            is_folder = item['type'] == 'directory' or path != item['name']
            entries.append((path.rpartition('/')[2], is_folder))
        return entries

    @_retried
    def remove(self, filepath: str) -> None:
        """Remove an object."""
        self.fs.rm_file(str(filepath))

    def rmtree(self, dir_path: str) -> None:
        """Remove a folder."""
        self.fs.rm(str(dir_path), recursive=True)


class _NoClient(BaseStorageBackend):
    """Client that MMEngine creates for the prefix of an address but never uses."""

    def get(self, filepath: str) -> bytes:
        raise NotImplementedError

    get_text = get


def admit_address(address: str) -> None:
    """Let MMEngine write checkpoints to an address although Petrel, its client, is missing."""
    scheme, known = address.partition('://')[0], FileClient._prefix_to_backends
    is_petrel = getattr(known.get(scheme), '__name__', '') == 'PetrelBackend'
    if scheme not in known or is_petrel and importlib.util.find_spec('petrel_client') is None:
        known[scheme] = _NoClient  # register_backend(force=True) forgets to


@register_backend('http_with_timeout')
class HttpBackend(HTTPBackend):
    """MMEngine's ``http`` with a limit: ``timeout`` seconds for each part of an answer."""

    def __init__(self, *, timeout: float = TIMEOUT) -> None:
        self.timeout = timeout

    def get(self, filepath: str) -> bytes:
        """Return the content of an address."""
        with urlopen(filepath, timeout=self.timeout) as answer:
            return answer.read()


_environments: dict[str, Any] = {}  # of LMDB, by the real path


class _KeyedBackend(_Backend):
    """Folders of a store whose objects have sorted keys ``folder/name``."""

    @abstractmethod
    def first_key(self, key: bytes) -> bytes | None:
        """Return the first key that is not less than ``key``, None if there is none."""

    def isfile(self, filepath: str) -> bool:
        """Return whether there is such a key."""
        return self.first_key(_key(filepath)) == _key(filepath)

    def isdir(self, filepath: str) -> bool:
        """Return whether keys begin with such a folder."""
        prefix = _prefix(filepath)
        return (self.first_key(prefix) or b'').startswith(prefix)

    def entries(self, folder: str) -> Iterator[tuple[str, bool]]:
        """See the base class."""
        prefix = _prefix(folder)
        key = self.first_key(prefix)
        if key is None or not key.startswith(prefix):
            raise FileNotFoundError(folder)
        while key is not None and key.startswith(prefix) and key != LMDB_INFO:
            name, slash, _ = key[len(prefix) :].partition(b'/')
            yield name.decode(), bool(slash)
            key = self.first_key(prefix + name + _AFTER_SLASH if slash else key + b'\0')


@register_backend('lmdb_files')
class LmdbFilesBackend(_KeyedBackend, LmdbBackend):
    """The files of a folder in an LMDB database, by ``r2vos data lmdb``.

    MMEngine's ``lmdb`` reads the same databases, but does not know which files there are.

    Args:
        db_path: folder of the database.
        **kwargs: see :class:`mmengine.fileio.LmdbBackend`.

    Raises:
        ImportError: lmdb is not installed.
        FileNotFoundError: there is no such database.
    """

    def __init__(self, db_path: str, **kwargs: Any) -> None:
        self._client = None
        import_extra('lmdb', 'lmdb')
        if not Path(db_path, 'data.mdb').is_file():
            raise FileNotFoundError(f'{db_path} is not an LMDB database, which has a file data.mdb')
        super().__init__(db_path, **{'max_readers': 512, **kwargs})

    def _begin(self) -> Any:
        if self._client is None:
            # lmdb refuses to open what a process before the fork has open.
            inherited = _environments.pop(os.path.realpath(self.db_path), None)
            if inherited is not None:
                inherited.close()
            self._client = self._get_client()
            _environments[os.path.realpath(self.db_path)] = self._client
        return self._client.begin(write=False)

    def get(self, filepath: str) -> bytes | None:
        """Return the content of a file, None if there is none."""
        with self._begin() as transaction:
            return transaction.get(_key(filepath))

    def first_key(self, key: bytes) -> bytes | None:
        """See the base class."""
        with self._begin() as transaction, transaction.cursor() as cursor:
            return cursor.key() if cursor.set_range(key or b'\0') else None


@register_backend('archive')
class ArchiveBackend(_KeyedBackend):
    """The files of a zip or an uncompressed tar, which is not unpacked.

    Args:
        path: the archive.
        storage: arguments of :class:`FsspecBackend` if ``path`` is an address.

    Raises:
        FileNotFoundError, ValueError: it does not exist, or is not a zip or uncompressed tar.
    """

    def __init__(self, path: str, *, storage: Mapping[str, Any] | None = None) -> None:
        self._file = _open_archive(str(path), storage)
        contents = _contents_of(str(path), self._file)
        self._members, self._keys = contents.members, contents.keys
        self._zip = copy.copy(contents.zip)
        if self._zip is not None:
            self._zip.fp = self._file

    def get(self, filepath: str) -> bytes:
        """Return the content of a file; that of a zip is compared with its checksum."""
        member = self._members.get(_key(filepath))
        if member is None:
            raise FileNotFoundError(filepath)
        if self._zip is not None:
            return self._zip.read(member)
        start, size = member
        self._file.seek(start)
        return self._file.read(size)

    def first_key(self, key: bytes) -> bytes | None:
        """See the base class."""
        place = bisect.bisect_left(self._keys, key)
        return self._keys[place] if place < len(self._keys) else None


class _Contents(NamedTuple):
    """The files of an archive by their keys, and sorted keys; ``zip`` is None for a tar."""

    zip: zipfile.ZipFile | None
    members: dict[bytes, Any]
    keys: list[bytes]


_known: dict[tuple[str, int], _Contents] = {}  # forked processes do not read them again


def _contents_of(path: str, file: BinaryIO) -> _Contents:
    key = path, file.seek(0, os.SEEK_END)
    if key not in _known:
        found = _index_zip(file) or (None, _index_tar(path, file))
        members = {_key(name.removeprefix('./')): m for name, m in found[1].items()}
        _known[key] = _Contents(found[0], members, sorted(members))
    return _known[key]


def _index_zip(file: BinaryIO) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]] | None:
    """Return the archive and its files by name; None if it is not a zip."""
    if not zipfile.is_zipfile(file):
        return None
    archive = zipfile.ZipFile(file)
    return archive, {m.filename: m for m in archive.infolist() if not m.is_dir()}


def _index_tar(path: str, file: BinaryIO) -> dict[str, tuple[int, int]]:
    """Return start and size of each file in a tar by its name."""
    file.seek(0)
    found: dict[str, tuple[int, int]] = {}
    try:
        with tarfile.open(fileobj=file, mode='r:') as archive:
            for member in archive:
                if member.isfile():
                    found[member.name] = member.offset_data, member.size
                elif member.islnk() and member.linkname in found:  # a second name of a file
                    found[member.name] = found[member.linkname]
    except tarfile.TarError as error:
        raise ValueError(
            f'{path} is neither a zip nor an uncompressed tar ({error}): unpack it, or pack it '
            'again without compression'
        ) from error
    return found


def _open_archive(path: str, storage: Mapping[str, Any] | None) -> BinaryIO:
    if storage is None:
        return io.BufferedReader(io.FileIO(path))
    options = {name: value for name, value in storage.items() if name != 'backend'}
    return FsspecBackend(**options).fs.open(path, 'rb')


def _key(path: str) -> bytes:
    return str(path).encode()


def _prefix(folder: str) -> bytes:
    return _key(f'{folder}/') if str(folder) else b''
