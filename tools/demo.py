"""Segment what expressions describe in a video, as ``r2vos predict`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli import predict
from r2vos_mm.cli.command import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(predict, arguments)


if __name__ == '__main__':
    sys.exit(main())
