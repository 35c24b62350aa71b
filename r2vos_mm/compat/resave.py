"""Copy a checkpoint that pickles objects to one of tensors and plain containers.

Usage: ``python -m r2vos_mm.compat.resave SOURCE TARGET``. Unpickling can run code: only for files
whose source you trust. Objects without a plain form are left out.
"""

import argparse
import io
from collections.abc import Sequence
from typing import Any


def resave(source: str, target: str) -> list[str]:
    """Write a copy of ``source`` that ``weights_only=True`` reads; return the entries left out."""
    import torch

    from r2vos_mm.utils.files import write_atomically

    from .checkpoint import CheckpointContentError

    plain: dict[str, Any] = {}
    left_out = []
    for key, value in torch.load(source, map_location='cpu', weights_only=False).items():
        try:
            plain[key] = _plain_entry(key, value)
        except CheckpointContentError as error:
            left_out.append(str(error))
    buffer = io.BytesIO()
    torch.save(plain, buffer)
    write_atomically(buffer.getvalue(), target)
    return left_out


def _plain_entry(key: str, value: Any) -> Any:
    """Plain form of one entry of a checkpoint."""
    from mmengine.logging import HistoryBuffer

    from .checkpoint import pack_message_hub, to_plain

    if key != 'message_hub':
        return to_plain(value, key)
    scalars = {k: v for k, v in value['log_scalars'].items() if isinstance(v, HistoryBuffer)}
    return pack_message_hub({**value, 'log_scalars': scalars})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', help='checkpoint to read; it must come from a source you trust')
    parser.add_argument('target', help='plain copy to write')
    args = parser.parse_args(arguments)
    for entry in resave(args.source, args.target):
        print(f'left out: {entry}')
    print(f'wrote {args.target}')


if __name__ == '__main__':
    main()
