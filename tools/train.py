"""Train a model, as ``r2vos train`` does: ``python tools/train.py configs/r2vos_swin_b.py``."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli import train
from r2vos_mm.cli.command import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(train, arguments)


if __name__ == '__main__':
    sys.exit(main())
