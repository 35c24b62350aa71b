"""Generate positive and negative pairs of videos and expressions, as ``r2vos data pairs`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli.command import run_command
from r2vos_mm.cli.data import pairs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(pairs, arguments)


if __name__ == '__main__':
    sys.exit(main())
