"""Write the frames of video files as JPEGs, as ``r2vos data frames`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli.command import run_command
from r2vos_mm.cli.data import frames


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(frames, arguments)


if __name__ == '__main__':
    sys.exit(main())
