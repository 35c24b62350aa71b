"""Convert checkpoints of the public MTTR code to this package, and back.

    python tools/model_converters/released_mttr.py from-released \\
        configs/mttr/mttr_video-swin-t_4xb1-30e_ref-ytvos-12f.py released.pth.tar mttr_w12.pth
    python tools/model_converters/released_mttr.py to-released \\
        configs/mttr/mttr_video-swin-t_4xb1-30e_ref-ytvos-12f.py mttr_w12.pth released.pth.tar

Every tensor is converted in both directions: tensors that are unexpected, missing or of another
shape stop the conversion. Files are loaded without executing code.
"""

import sys

from converter_cli import run_released


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if the target was written."""
    return run_released('MTTR', __doc__, arguments)


if __name__ == '__main__':
    sys.exit(main())
