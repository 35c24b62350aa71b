"""Write checkpoints of tensors and plain containers only, and read them without running code.

Reason: MMEngine pickles objects (``HistoryBuffer``, numpy scalars) into its checkpoints. From torch
2.6 on ``torch.load`` refuses them, which breaks resume, ``load_from`` and test; before 2.6, and
from URLs in all versions, it unpickles any object, which can run code. MMEngine also writes files
in place, so that a killed process leaves an incomplete file.
"""

import argparse
import importlib.util
import os
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from .cli import UserError
from .files import atomic_path, write_atomically
from .logging import warn
from .storage.paths import default_backend, local_file, storage_path
from .weights import ADDRESSES, local_weights

_OBJECT_STORES = (r'(\S+\:)?s3://', 's3a://', 'gs://', 'gcs://', 'abfs://', 'memory://')
ATOMIC_BACKEND = 'atomic_local'
MapLocation = str | torch.device | Callable | None
# Compressed weights expand to less than twice their size; those of an untrained model have zeros.
_MAX_EXPANSION, _ALWAYS_READ = 20, 2**26
_EXACT_TYPES = (type(None), bool, int, float, str, bytes)


class CheckpointReadError(UserError, RuntimeError):
    """A checkpoint that cannot be read; the message names the file, the reason and the remedy."""


class CheckpointContentError(TypeError):
    """An object to be saved is neither a tensor nor a plain container."""


# Reading


def read_checkpoint(filename: str | Path, map_location: MapLocation = 'cpu') -> dict[str, Any]:
    """Read a local checkpoint without running code from it; ``map_location`` as in ``torch.load``.

    From PyTorch 2.5 on, one class is admitted in addition to plain containers:
    ``argparse.Namespace``, in which released checkpoints keep the arguments of their training.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointReadError: the file is damaged, expands too much, or needs Python classes.
    """
    path = Path(filename).expanduser()
    if not path.is_file():
        problem = 'is not a file' if path.exists() else 'does not exist'
        raise FileNotFoundError(f'Checkpoint {path} {problem}')
    try:
        if zipfile.is_zipfile(path):
            _check_archive(path)
        admit = getattr(torch.serialization, 'safe_globals', nullcontext)
        with admit([argparse.Namespace]):
            return torch.load(path, map_location=map_location, weights_only=True)
    except (PermissionError, MemoryError, CheckpointReadError):
        raise
    except Exception as error:  # a damaged file can make unpickling fail with nearly any
        raise _read_error(path, error) from error


def _check_archive(path: Path) -> None:
    """Raise CheckpointReadError for bad checksums, which ``torch.load`` ignores, and bad sizes."""
    with zipfile.ZipFile(path) as archive:
        members, size = archive.infolist(), path.stat().st_size
        expanded = sum(member.file_size for member in members)
        if expanded > max(_ALWAYS_READ, _MAX_EXPANSION * size):
            raise CheckpointReadError(
                f'Checkpoint {path} of {size:,} bytes would expand to {expanded:,}, which is not '
                'usual for weights, so it is refused. Download it from its owners'
            )
        has_checksums = any(member.CRC for member in members)  # PyTorch can write without
        damaged = archive.testzip() if has_checksums else None
    if damaged is not None:
        raise CheckpointReadError(
            f'Checkpoint {path} is damaged: the checksum of {damaged} in it is wrong. Copy it '
            'again, or take an earlier one'
        )


def _read_error(path: Path, error: Exception) -> CheckpointReadError:
    unsafe = re.search(r'GLOBAL ([\w.]+)', str(error))
    if unsafe is not None:
        return CheckpointReadError(
            f'Checkpoint {path} holds an object of class {unsafe.group(1)}; only tensors and '
            'plain containers are read, since unpickling objects can run code. If you trust its '
            f'source, make a plain copy: python -m r2vos_mm.compat.resave {path} COPY.pth'
        )
    return CheckpointReadError(
        f'Checkpoint {path} ({path.stat().st_size} bytes) cannot be read: it is damaged, cut off '
        f'or no checkpoint ({type(error).__name__}). Copy or download it again, or take an '
        'earlier one.'
    )


def load_from_http(filename: str, map_location: MapLocation = None) -> dict[str, Any]:
    """Read an address for MMEngine, after the checks of :func:`local_weights`."""
    return read_checkpoint(local_weights(filename), map_location)


def load_checkpoint(source: str, map_location: MapLocation = 'cpu') -> Any:
    """Read a checkpoint without running code from it: a path, or an address that MMEngine can load.

    Raises:
        FileNotFoundError, CheckpointReadError: it cannot be downloaded or read.
    """
    with safe_loaders():
        return CheckpointLoader.load_checkpoint(source, map_location, logger='silent')


def load_from_storage(
    filename: str,
    map_location: MapLocation = None,
    *,
    backend_args: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Read an object of a storage backend, by default of fsspec.

    Raises:
        FileNotFoundError, CheckpointReadError, StorageError: missing, damaged, or out of reach.
    """
    with local_file(storage_path(filename, backend_args or default_backend(filename))) as path:
        try:
            return read_checkpoint(path, map_location)
        except CheckpointReadError as error:
            raise CheckpointReadError(str(error).replace(str(path), filename)) from error


@contextmanager
def safe_loaders(backend_args: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Make MMEngine read files and addresses with ``weights_only=True`` inside the block.

    Args:
        backend_args: settings of object stores, which Petrel reads if they are None and it is
            installed.
    """
    schemes = CheckpointLoader._schemes
    CheckpointLoader._schemes = schemes.copy()
    CheckpointLoader.register_scheme('', read_checkpoint, force=True)
    CheckpointLoader.register_scheme(ADDRESSES, load_from_http, force=True)
    if backend_args is not None or importlib.util.find_spec('petrel_client') is None:

        def load_from_store(filename: str, map_location: MapLocation = None) -> dict[str, Any]:
            return load_from_storage(filename, map_location, backend_args=backend_args)

        CheckpointLoader.register_scheme(_OBJECT_STORES, load_from_store, force=True)
    try:
        yield
    finally:
        CheckpointLoader._schemes = schemes


# Writing


@register_backend(ATOMIC_BACKEND)
class AtomicLocalBackend(LocalBackend):
    """MMEngine's backend of local files, which writes atomically."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write ``obj`` to ``filepath`` atomically."""
        write_atomically(obj, filepath)


def save_plain(content: Any, path: str | Path) -> None:
    """Write ``content`` in plain form, atomically; raises as :func:`to_plain` does."""
    with atomic_path(path) as temporary:
        torch.save(to_plain(content), temporary)


def to_plain(value: Any, where: str = 'checkpoint') -> Any:
    """Copy ``value`` as tensors, built-in containers and built-in scalars.

    Tensors are kept; NumPy values, paths, configs, other mappings and sequences are converted.

    Raises:
        CheckpointContentError: an object has no plain form; the message names its place.
    """
    if isinstance(value, torch.Tensor) or type(value) in _EXACT_TYPES:
        return value
    if isinstance(value, (np.generic, np.ndarray)):
        return to_plain(value.tolist(), where)
    if isinstance(value, Mapping):
        kind = OrderedDict if isinstance(value, OrderedDict) else dict
        return kind((to_plain(k, where), to_plain(v, f'{where}[{k!r}]')) for k, v in value.items())
    if isinstance(value, (tuple, set, frozenset)):
        kind = tuple if isinstance(value, tuple) else set
        return kind(to_plain(item, where) for item in value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if hasattr(value, '__iter__') and hasattr(value, '__len__'):
        return [to_plain(item, f'{where}[{index}]') for index, item in enumerate(value)]
    raise CheckpointContentError(
        f'{where} is a {type(value).__module__}.{type(value).__qualname__}, which a checkpoint '
        'cannot hold: save tensors, numbers, strings and containers of them'
    )


def pack_message_hub(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``MessageHub.state_dict()`` in a plain form: log histories become tensors.

    Runtime information without a plain form is skipped with a warning; training does not need it.
    """
    info = {}
    for key, value in state['runtime_info'].items():
        try:
            info[key] = to_plain(value, f'message_hub[{key!r}]')
        except CheckpointContentError as error:
            warn(f'Not saved: {error}')
    scalars = state['log_scalars'].items()
    return {
        'log_scalars': {k: _pack_history(v) for k, v in scalars if isinstance(v, HistoryBuffer)},
        'runtime_info': info,
        'resumed_keys': to_plain(state['resumed_keys'], 'message_hub'),
    }


def unpack_message_hub(state: Mapping[str, Any]) -> dict[str, Any]:
    """Invert :func:`pack_message_hub`."""
    histories = {k: _unpack_history(v) for k, v in state['log_scalars'].items()}
    return {**state, 'log_scalars': histories}


def _pack_history(history: HistoryBuffer) -> dict[str, Any]:
    values, counts = (torch.as_tensor(np.asarray(column)) for column in history.data)
    return {'values': values, 'counts': counts, 'max_length': history.max_length}


def _unpack_history(packed: Mapping[str, Any]) -> HistoryBuffer:
    return HistoryBuffer(
        packed['values'].cpu().numpy(), packed['counts'].cpu().numpy(), packed['max_length']
    )
