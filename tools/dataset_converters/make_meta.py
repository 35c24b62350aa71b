"""Write the annotations of your own videos from a table, as ``r2vos data meta`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli.command import run_command
from r2vos_mm.cli.data import meta


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(meta, arguments)


if __name__ == '__main__':
    sys.exit(main())
