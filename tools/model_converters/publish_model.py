"""Reduce a training checkpoint to its weights and their origin, for publication.

    python tools/model_converters/publish_model.py work_dirs/run/best_JFR_iter_6000.pth model.pth

The optimizer, schedules, random states and logs are removed. Floating point weights are stored in
float16, which halves the size (``--precision float32`` keeps float32), and the file is compressed.
It is loaded like any other checkpoint.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import r2vos_mm
from r2vos_mm.utils.cli import UsageError, check_writable, parser_of, short_errors
from r2vos_mm.utils.files import write_atomically

if TYPE_CHECKING:  # heavy imports come after the arguments are parsed
    import torch


def published(checkpoint: dict, *, dtype: torch.dtype) -> dict:
    """Return the weights in ``dtype`` (integers unchanged), iteration, seed and version."""
    weights = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in checkpoint['state_dict'].items()
    }
    meta = checkpoint.get('meta', {})
    kept = {key: meta[key] for key in ('iter', 'epoch', 'seed', 'experiment_name') if key in meta}
    return dict(state_dict=weights, meta=dict(kept, r2vos_mm=r2vos_mm.__version__))


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


def main() -> None:
    """Run the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('source', type=Path, help='checkpoint of a training run')
    parser.add_argument('target', type=Path, help='file to write')
    parser.add_argument('--precision', choices=('float16', 'float32'), default='float16')
    args = parser.parse_args()

    with short_errors(args.debug):
        import torch

        from r2vos_mm.compat.checkpoint import read_checkpoint

        check_writable(args.target, what='TARGET')
        checkpoint = read_checkpoint(args.source)
        if 'state_dict' not in checkpoint:
            raise UsageError(
                f'{args.source} does not contain a state_dict: use a training checkpoint'
            )
        buffer = io.BytesIO()
        torch.save(published(checkpoint, dtype=getattr(torch, args.precision)), buffer)
        content = compressed(buffer.getvalue())
        write_atomically(content, args.target)
        print(f'wrote {args.target}: {len(content) / 1e6:.1f} MB')


if __name__ == '__main__':
    main()
