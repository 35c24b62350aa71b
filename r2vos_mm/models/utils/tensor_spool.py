"""Keep the tensors of many windows in memory up to a limit, and on disk beyond it."""

from __future__ import annotations

import errno
import io
import os
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from r2vos_mm.utils.files import DiskFullError
from r2vos_mm.utils.state_dict import tensor_bytes


class TensorSpool:
    """A list of objects that hold tensors, such as :class:`Features`, in order of appending.

    Tensors beyond the limit are written to a temporary file without a name, which the system
    removes when the process ends. It is in the folder ``TMPDIR``, by default ``/var/tmp``, because
    ``/tmp`` is in memory on some systems. Iteration reads one object at a time.

    Args:
        max_bytes: limit of the tensors in memory.
    """

    def __init__(self, max_bytes: float) -> None:
        self.max_bytes, self.num_bytes, self.num_bytes_on_disk = max_bytes, 0, 0
        # pickled objects, and the contents of their tensors or where these are in the file
        self._items: list[tuple[bytes, list[memoryview | range]]] = []
        self._file: Any = None

    def __len__(self) -> int:
        return len(self._items)

    def append(self, item: Any) -> None:
        """Keep an object; its tensors are on the CPU.

        Raises:
            DiskFullError: there is no space left for the temporary file.
        """
        stream, contents = io.BytesIO(), []
        _Pickler(
            stream, protocol=5, buffer_callback=lambda x: contents.append(self._keep(x.raw()))
        ).dump(item)
        self._items.append((stream.getvalue(), contents))

    def __iter__(self) -> Iterator[Any]:
        for pickled, contents in self._items:
            yield pickle.loads(pickled, buffers=map(self._read, contents))

    def close(self) -> None:
        """Drop all objects and remove the file."""
        self._items = []
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> TensorSpool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, content: memoryview) -> memoryview | range:
        if self.num_bytes + len(content) <= self.max_bytes:
            self.num_bytes += len(content)
            return content
        folder, place = _spool_folder(), self.num_bytes_on_disk
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - close() does
            self._file.seek(place)
            self._file.write(content)
            self._file.flush()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DiskFullError(
                f'no space left in {folder} for the intermediate results of a long video '
                f'({place / 1e9:.1f} GB so far): set TMPDIR to a folder on a larger disk, or give '
                'fewer expressions at a time'
            ) from error
        self.num_bytes_on_disk += len(content)
        return range(place, self.num_bytes_on_disk)

    def _read(self, kept: memoryview | range) -> memoryview | np.ndarray:
        if isinstance(kept, memoryview):
            return kept
        content = np.empty(len(kept), dtype=np.uint8)
        self._file.seek(kept.start)
        if self._file.readinto(content) != len(kept):
            raise OSError(errno.EIO, 'a temporary file was cut off', _spool_folder())
        return content


class _Pickler(pickle.Pickler):
    """Pickle tensors as arrays of bytes, whose contents ``buffer_callback`` gets."""

    def reducer_override(self, item: Any) -> Any:
        if not isinstance(item, Tensor):
            return NotImplemented
        return _tensor, (np.asarray(tensor_bytes(item)), item.dtype, item.shape)


def _tensor(content: np.ndarray, dtype: torch.dtype, shape: torch.Size) -> Tensor:
    return torch.from_numpy(content).view(dtype).reshape(shape)


def _spool_folder() -> str:
    """Return the folder of temporary files that may be large."""
    is_chosen = any(os.environ.get(name) for name in ('TMPDIR', 'TEMP', 'TMP'))
    large = Path('/var/tmp')
    if not is_chosen and large.is_dir() and os.access(large, os.W_OK):
        return str(large)
    return tempfile.gettempdir()
