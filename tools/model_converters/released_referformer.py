"""Convert checkpoints of the public ReferFormer code to this package, and back.

    python tools/model_converters/released_referformer.py from-released \\
        configs/referformer/referformer_r50_8xb1-6e_ref-ytvos.py released.pth referformer_r50.pth
    python tools/model_converters/released_referformer.py to-released \\
        configs/referformer/referformer_r50_8xb1-6e_ref-ytvos.py referformer_r50.pth released.pth
    python tools/model_converters/released_referformer.py from-released \\
        --leave-out mask_head.score_branches \\
        configs/referformer/referformer_r50_8xb1-6e_ref-ytvos.py pretrained.pth initial.pth

Both ways account for every tensor: what has no place, another shape or is missing stops the
conversion. The third makes an initialisation (``load_from``) for training on Refer-YouTube-VOS as
the released code does: with score heads that start anew. Files are read without running code from
them.
"""

import sys

from converter_cli import run_released


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if the target was written."""
    return run_released('REFERFORMER', __doc__, arguments)


if __name__ == '__main__':
    sys.exit(main())
