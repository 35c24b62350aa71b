"""Convert checkpoints of the public R2-VOS code, as ``r2vos convert r2vos`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli.command import run_command
from r2vos_mm.cli.convert import r2vos


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(r2vos, arguments)


if __name__ == '__main__':
    sys.exit(main())
