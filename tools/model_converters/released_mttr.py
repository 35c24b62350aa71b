"""Convert checkpoints of the public MTTR code to this package, and back.

    python tools/model_converters/released_mttr.py from-released \\
        configs/mttr/mttr_video-swin-t_4xb1-30e_ref-ytvos-12f.py released.pth.tar mttr_w12.pth
    python tools/model_converters/released_mttr.py to-released \\
        configs/mttr/mttr_video-swin-t_4xb1-30e_ref-ytvos-12f.py mttr_w12.pth released.pth.tar

Both ways account for every tensor: what has no place, another shape or is missing stops the
conversion. Files are read without running code from them.
"""

import sys

from converter_cli import run_released


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if the target was written."""
    return run_released('MTTR', __doc__, arguments)


if __name__ == '__main__':
    sys.exit(main())
