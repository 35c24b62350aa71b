"""Convert an ImageNet checkpoint of a backbone, as ``r2vos convert backbone`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli.command import run_command
from r2vos_mm.cli.convert import backbone


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(backbone, arguments)


if __name__ == '__main__':
    sys.exit(main())
