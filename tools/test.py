"""Test a checkpoint, as ``r2vos test`` does: ``python tools/test.py CONFIG CHECKPOINT``."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli import test
from r2vos_mm.cli.command import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(test, arguments)


if __name__ == '__main__':
    sys.exit(main())
