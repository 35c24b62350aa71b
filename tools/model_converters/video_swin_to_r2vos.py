"""Make a published Video Swin checkpoint ready for ``backbone.init_cfg``.

    python tools/model_converters/video_swin_to_r2vos.py \\
        configs/r2vos/r2vos_video-swin-t_8xb1-6e_ref-ytvos.py \\
        swin_tiny_patch244_window877_kinetics400_1k.pth pretrained/video_swin_t.pth

The backbone is that of the config. Takes the public Kinetics-400 checkpoints and the backbone
inside R2-VOS, ReferFormer and MTTR checkpoints. What is left out and what starts fresh is listed;
a tensor that is missing or has another shape stops the conversion.
``init_cfg=dict(type='Pretrained', checkpoint=...)`` reads those files as they are, by the same
rules; a converted one is smaller and names its tensors as ``VideoSwinTransformer`` does.
"""

import sys
from pathlib import Path

from torch import nn

import r2vos_mm  # noqa: F401  (makes the ecosystem importable)
from r2vos_mm.converters.command_line import run_backbone
from r2vos_mm.models.backbones import (
    CheckpointError,
    FittedWeights,
    VideoSwinTransformer,
    fit_video_swin,
)


def fit(backbone: nn.Module, source: Path) -> FittedWeights:
    """Weights of ``backbone`` in a file.

    Raises:
        CheckpointError: the config has another backbone, or names or shapes differ.
    """
    if not isinstance(backbone, VideoSwinTransformer):
        raise CheckpointError(
            f'The backbone of the config is a {type(backbone).__name__}, no VideoSwinTransformer; '
            'imagenet_to_r2vos.py is for ResNet and 2-D Swin.'
        )
    return fit_video_swin(backbone, source)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when the target was written."""
    return run_backbone(fit, __doc__, arguments)


if __name__ == '__main__':
    sys.exit(main())
