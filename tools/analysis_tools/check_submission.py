"""Check a submission before uploading it, as ``r2vos score submission`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli import submission
from r2vos_mm.cli.command import run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(submission, arguments)


if __name__ == '__main__':
    sys.exit(main())
