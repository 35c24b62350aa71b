r"""Convert an ImageNet checkpoint of a ResNet or Swin for ``backbone.init_cfg``.

    r2vos convert backbone configs/r2vos/r2vos_swin-t_8xb1-6e_ref-ytvos.py \
        swin_tiny_patch4_window7_224.pth pretrained/swin_t.pth

The backbone is that of the config. The classifier and the normalization layer before it are
skipped, and the normalization layers of a Swin's feature maps keep their initial values. Both are
listed, and any other difference stops the conversion. A converted Swin uses the names of
MMDetection, so set ``convert_weights=False``. Use ``video-swin`` for Kinetics-400 checkpoints of
Video Swin.
"""

import argparse

from .conversion import add_files, run_backbone


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_files(parser, config='config with the backbone of the weights')


def run(args: argparse.Namespace) -> None:
    """Convert."""
    run_backbone(args)
