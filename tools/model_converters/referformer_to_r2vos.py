"""Convert a released ReferFormer to initial weights, as ``r2vos convert initial`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli.command import run_command
from r2vos_mm.cli.convert import initial


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(initial, arguments)


if __name__ == '__main__':
    sys.exit(main())
