"""Check whether a data set is complete and undamaged, as ``r2vos data check`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli.command import run_command
from r2vos_mm.cli.data import check


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(check, arguments)


if __name__ == '__main__':
    sys.exit(main())
