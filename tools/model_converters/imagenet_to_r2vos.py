"""Convert an ImageNet checkpoint of a ResNet or Swin for ``backbone.init_cfg``.

    python tools/model_converters/imagenet_to_r2vos.py \\
        configs/r2vos/r2vos_swin-t_8xb1-6e_ref-ytvos.py swin_tiny_patch4_window7_224.pth \\
        pretrained/swin_t.pth

The backbone is that of the config. The classifier and the normalization layer before it are
skipped, and the normalization layers of a Swin's feature maps keep their initial values. Both are
listed, and any other difference stops the conversion. A converted Swin uses the names of
MMDetection, so set ``convert_weights=False``. Use ``video_swin_to_r2vos.py`` for Kinetics-400
checkpoints of Video Swin.
"""

import sys

from converter_cli import run_backbone


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if the target was written."""
    return run_backbone(__doc__, arguments)


if __name__ == '__main__':
    sys.exit(main())
