"""Convert official downloads to the layout of a data set, as ``r2vos data prepare`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli.command import run_command
from r2vos_mm.cli.data import prepare


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(prepare, arguments)


if __name__ == '__main__':
    sys.exit(main())
