"""Convert checkpoints of the public MTTR code to this package, and back.

    r2vos convert mttr from-released mttr_video-swin-t_released released.pth.tar mttr.pth
    r2vos convert mttr to-released mttr_video-swin-t_released mttr.pth released.pth.tar

Every tensor is converted in both directions: tensors that are unexpected, missing or of another
shape stop the conversion. Files are loaded without executing code.
"""

import argparse

from .conversion import add_released, run_released


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_released(parser)


def run(args: argparse.Namespace) -> None:
    """Convert."""
    run_released('MTTR', args)
