"""Convert checkpoints of the public ReferFormer code to this package, and back.

    python tools/model_converters/released_referformer.py from-released \\
        configs/referformer/referformer_r50_8xb1-6e_ref-ytvos.py released.pth referformer_r50.pth
    python tools/model_converters/released_referformer.py to-released \\
        configs/referformer/referformer_r50_8xb1-6e_ref-ytvos.py referformer_r50.pth released.pth
    python tools/model_converters/released_referformer.py from-released \\
        --leave-out mask_head.score_branches \\
        configs/referformer/referformer_r50_8xb1-6e_ref-ytvos.py pretrained.pth initial.pth

Every tensor is converted in both directions: tensors that are unexpected, missing or of another
shape stop the conversion. The third command writes initial weights (``load_from``) for training on
Refer-YouTube-VOS without the score heads, as in the released code. Files are loaded without
executing code.
"""

import sys

from converter_cli import run_released


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if the target was written."""
    return run_released('REFERFORMER', __doc__, arguments)


if __name__ == '__main__':
    sys.exit(main())
