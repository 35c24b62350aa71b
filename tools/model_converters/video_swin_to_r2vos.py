"""Convert a published Video Swin checkpoint, as ``r2vos convert video-swin`` does."""

import sys
from collections.abc import Sequence

from r2vos_mm.cli.command import run_command
from r2vos_mm.cli.convert import video_swin


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return run_command(video_swin, arguments)


if __name__ == '__main__':
    sys.exit(main())
