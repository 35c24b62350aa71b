"""Convert between pairs files and SA-Co/VEval, as ``r2vos data veval`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli.command import run_command
from r2vos_mm.cli.data import veval


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(veval, arguments)


if __name__ == '__main__':
    sys.exit(main())
