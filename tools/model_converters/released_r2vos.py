"""Convert checkpoints of the public R2-VOS code to this package, and back.

    python tools/model_converters/released_r2vos.py from-released \\
        configs/r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py released.pth r2vos_r50.pth
    python tools/model_converters/released_r2vos.py to-released \\
        configs/r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py r2vos_r50.pth released.pth

Every tensor is accounted for: what has no place, another shape or is missing stops the conversion.
A frozen language model, which checkpoints of training leave out, is taken from where the config
names it on the way back. Files are read without running code from them.
"""

import sys

from converter_cli import run_released


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if the target was written."""
    return run_released('R2VOS', __doc__, arguments)


if __name__ == '__main__':
    sys.exit(main())
