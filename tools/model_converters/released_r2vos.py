"""Convert checkpoints of the public R2-VOS code to this package, and back.

    python tools/model_converters/released_r2vos.py from-released \\
        configs/r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py released.pth r2vos_r50.pth
    python tools/model_converters/released_r2vos.py to-released \\
        configs/r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py r2vos_r50.pth released.pth

Every tensor is converted in both directions: tensors that are unexpected, missing or of another
shape stop the conversion. A frozen language model is not part of training checkpoints; when
converting back, it is loaded from the source that the config names. Files are loaded without
executing code.
"""

import sys

from converter_cli import run_released


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if the target was written."""
    return run_released('R2VOS', __doc__, arguments)


if __name__ == '__main__':
    sys.exit(main())
