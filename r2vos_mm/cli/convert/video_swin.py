r"""Convert a published Video Swin checkpoint for ``backbone.init_cfg``.

    r2vos convert video-swin configs/r2vos/r2vos_video-swin-t_8xb1-6e_ref-ytvos.py \
        swin_tiny_patch244_window877_kinetics400_1k.pth pretrained/video_swin_t.pth

The backbone is that of the config. The source is a public Kinetics-400 checkpoint or an R2-VOS,
ReferFormer or MTTR checkpoint with a Video Swin. Tensors that are skipped and those that keep their
initial values are listed; a tensor that is missing or has another shape stops the conversion.
``init_cfg=dict(type='Pretrained', checkpoint=...)`` also loads these files without conversion, by
the same rules. A converted file is smaller and uses the tensor names of ``VideoSwinTransformer``.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .conversion import add_files, run_backbone

if TYPE_CHECKING:
    from torch import nn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_files(parser, config='config with the backbone of the weights')


def check(backbone: nn.Module) -> None:
    """Raise CheckpointMismatchError if the backbone is not a Video Swin."""
    from r2vos_mm.models.backbones import VideoSwinTransformer
    from r2vos_mm.utils.state_dict import CheckpointMismatchError

    if not isinstance(backbone, VideoSwinTransformer):
        raise CheckpointMismatchError(
            f'The backbone of the config is a {type(backbone).__name__}, not a '
            'VideoSwinTransformer; use r2vos convert backbone (imagenet_to_r2vos.py) for ResNet '
            'and 2-D Swin.'
        )


def run(args: argparse.Namespace) -> None:
    """Convert."""
    run_backbone(args, check=check)
