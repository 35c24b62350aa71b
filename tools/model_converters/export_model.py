"""Export what a model computes for a window of frames, as ``r2vos export`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli import export
from r2vos_mm.cli.command import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(export, arguments)


if __name__ == '__main__':
    sys.exit(main())
