"""Copy a checkpoint that pickles objects to one of tensors and plain containers.

Usage: ``python -m r2vos_mm.compat.resave SOURCE TARGET``. Unpickling can run code: use it only for
files whose source you trust. Objects without a plain form are skipped.

Reason: checkpoints that MMEngine alone has written pickle objects, which ``torch.load`` refuses
from PyTorch 2.6 on.
"""

from collections.abc import Sequence
from typing import Any

from r2vos_mm.utils.cli import parser_of


def resave(source: str, target: str) -> list[str]:
    """Write a copy of ``source`` that ``weights_only=True`` reads; return the skipped entries."""
    import torch

    from r2vos_mm.utils.checkpoint import (
        CheckpointContentError,
        pack_message_hub,
        save_plain,
        to_plain,
    )

    plain: dict[str, Any] = {}
    skipped = []
    for key, value in torch.load(source, map_location='cpu', weights_only=False).items():
        try:
            is_hub = key == 'message_hub'
            plain[key] = pack_message_hub(value) if is_hub else to_plain(value, key)
        except CheckpointContentError as error:
            skipped.append(str(error))
    save_plain(plain, target)
    return skipped


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('source', help='checkpoint to read; it must come from a source you trust')
    parser.add_argument('target', help='plain copy to write')
    args = parser.parse_args(arguments)
    for entry in resave(args.source, args.target):
        print(f'skipped: {entry}')
    print(f'wrote {args.target}')


if __name__ == '__main__':
    main()
