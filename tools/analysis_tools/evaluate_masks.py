"""Score masks on disk from any method, as ``r2vos score`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli import score
from r2vos_mm.cli.command import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(score, arguments)


if __name__ == '__main__':
    sys.exit(main())
