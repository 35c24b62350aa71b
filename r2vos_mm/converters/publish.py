"""Reduce checkpoints to what is published, and compress their files."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from r2vos_mm.version import __version__

_KEPT = ('iter', 'epoch', 'seed', 'experiment_name', 'language_model', 'calibration')


def published(checkpoint: Mapping[str, Any], *, dtype: torch.dtype) -> dict[str, Any]:
    """Return the weights in ``dtype`` (integers unchanged), and iteration, seed and version.

    ``meta`` keeps what a model needs besides its weights: the description of its language model,
    and the calibration of its verdict.
    """
    weights = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in checkpoint['state_dict'].items()
    }
    meta = checkpoint.get('meta', {})
    kept = {key: meta[key] for key in _KEPT if key in meta}
    return dict(state_dict=weights, meta=dict(kept, r2vos_mm=__version__))


def archived(content: Mapping[str, Any]) -> bytes:
    """Return the file that ``torch.save`` writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def compressed(archive: bytes) -> bytes:
    """Compress the members of a file written by ``torch.save``.

    Such files are zip archives. ``torch.load`` can read compressed members, except with ``mmap``.
    """
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as source,
        zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED, compresslevel=9) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    return buffer.getvalue()


def is_compressed(path: str | Path) -> bool:
    """Return whether a file is a zip archive with compressed members."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist())
