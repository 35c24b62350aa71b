r"""Convert checkpoints of the public ReferFormer code to this package, and back.

    r2vos convert referformer from-released referformer_r50_released released.pth ours.pth
    r2vos convert referformer to-released referformer_r50_released ours.pth released.pth
    r2vos convert referformer from-released --leave-out mask_head.score_branches \
        referformer_r50_released pretrained.pth initial.pth

Every tensor is converted in both directions: tensors that are unexpected, missing or of another
shape stop the conversion. The third command writes initial weights (``load_from``) for training on
Refer-YouTube-VOS without the score heads, as in the released code. Files are loaded without
executing code.
"""

import argparse

from .conversion import add_released, run_released


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_released(parser)


def run(args: argparse.Namespace) -> None:
    """Convert."""
    run_released('REFERFORMER', args)
