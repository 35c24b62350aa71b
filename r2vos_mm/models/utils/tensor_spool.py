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

Kept = Tensor | tuple[int, int, torch.dtype, torch.Size]  # or place and size in the file


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
        self._items: list[bytes] = []
        self._tensors: list[Kept] = []
        self._file: Any = None

    def __len__(self) -> int:
        return len(self._items)

    def append(self, item: Any) -> None:
        """Keep an object; its tensors are on the CPU.

        Raises:
            DiskFullError: there is no space left for the temporary file.
        """
        buffer = io.BytesIO()
        _Pickler(buffer, self).dump(item)
        self._items.append(buffer.getvalue())

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            yield _Unpickler(io.BytesIO(item), self).load()

    def close(self) -> None:
        """Drop all objects and remove the file."""
        self._items, self._tensors = [], []
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> TensorSpool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _keep(self, tensor: Tensor) -> int:
        size = tensor.numel() * tensor.element_size()
        is_small = self.num_bytes + size <= self.max_bytes
        self._tensors.append(tensor if is_small else self._write(tensor, size))
        self.num_bytes += size if is_small else 0
        return len(self._tensors) - 1

    def _write(self, tensor: Tensor, size: int) -> Kept:
        folder = _spool_folder()
        place = self.num_bytes_on_disk
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - close() does
            self._file.seek(place)
            self._file.write(_as_bytes(tensor))
            self._file.flush()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DiskFullError(
                f'no space left in {folder} for the intermediate results of a long video '
                f'({place / 1e9:.1f} GB so far): set TMPDIR to a folder on a larger disk, or give '
                'fewer expressions at a time'
            ) from error
        self.num_bytes_on_disk += size
        return place, size, tensor.dtype, tensor.shape

    def _read(self, index: int) -> Tensor:
        kept = self._tensors[index]
        if isinstance(kept, Tensor):
            return kept
        place, size, dtype, shape = kept
        content = np.empty(size, dtype=np.uint8)
        self._file.seek(place)
        if self._file.readinto(content) != size:
            raise OSError(errno.EIO, 'a temporary file was cut off', _spool_folder())
        return torch.from_numpy(content).view(dtype).reshape(shape)


class _Pickler(pickle.Pickler):
    """A pickler that hands tensors to a spool."""

    def __init__(self, buffer: io.BytesIO, spool: TensorSpool) -> None:
        super().__init__(buffer)
        self.spool = spool

    def persistent_id(self, item: Any) -> int | None:
        return self.spool._keep(item) if isinstance(item, Tensor) else None


class _Unpickler(pickle.Unpickler):
    """An unpickler that takes tensors from a spool."""

    def __init__(self, buffer: io.BytesIO, spool: TensorSpool) -> None:
        super().__init__(buffer)
        self.spool = spool

    def persistent_load(self, index: int) -> Tensor:
        return self.spool._read(index)


def _as_bytes(tensor: Tensor) -> memoryview:
    return memoryview(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())


def _spool_folder() -> str:
    """Return the folder of temporary files that may be large."""
    is_chosen = any(os.environ.get(name) for name in ('TMPDIR', 'TEMP', 'TMP'))
    large = Path('/var/tmp')
    if not is_chosen and large.is_dir() and os.access(large, os.W_OK):
        return str(large)
    return tempfile.gettempdir()
