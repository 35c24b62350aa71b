"""Convert checkpoints of the public MTTR code to this package, and back.

    python tools/model_converters/released_mttr.py from-released \\
        configs/mttr/mttr_video-swin-t_4xb1-30e_ref-ytvos-12f.py released.pth.tar mttr_w12.pth
    python tools/model_converters/released_mttr.py to-released \\
        configs/mttr/mttr_video-swin-t_4xb1-30e_ref-ytvos-12f.py mttr_w12.pth released.pth.tar

Both ways account for every tensor: what has no place, another shape or is missing stops the
conversion. Files are read without running code from them.
"""

import sys

import r2vos_mm  # noqa: F401  (makes the ecosystem importable)
from r2vos_mm.converters.command_line import run
from r2vos_mm.converters.released_mttr import RELEASED_MTTR


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when the target was written."""
    return run(RELEASED_MTTR, __doc__, arguments)


if __name__ == '__main__':
    sys.exit(main())
