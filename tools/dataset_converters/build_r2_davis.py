"""Build R2-DAVIS, a benchmark of robustness, as ``r2vos data r2-davis`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli.command import run_command
from r2vos_mm.cli.data import r2_davis


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(r2_davis, arguments)


if __name__ == '__main__':
    sys.exit(main())
