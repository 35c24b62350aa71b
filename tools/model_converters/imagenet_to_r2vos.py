"""Make an ImageNet checkpoint of a ResNet or Swin ready for ``backbone.init_cfg``.

    python tools/model_converters/imagenet_to_r2vos.py \\
        configs/r2vos/r2vos_swin-t_8xb1-6e_ref-ytvos.py swin_tiny_patch4_window7_224.pth \\
        pretrained/swin_t.pth

The backbone is that of the config. The classifier and the norm before it are left out, norms on a
Swin's maps keep their initial values; both are listed, and any other difference stops the
conversion. A converted Swin is named like MMDetection's: set ``convert_weights=False`` with it.
Kinetics-400 checkpoints of Video Swin go through ``video_swin_to_r2vos.py``.
"""

import re
import sys
from pathlib import Path

from torch import nn

import r2vos_mm  # noqa: F401  (makes the ecosystem importable)
from r2vos_mm.converters.command_line import run_backbone
from r2vos_mm.models.backbones import (
    ConvertedWeights,
    FittedWeights,
    convert_swin,
    fit_weights,
    read_state,
)

_CLASSIFIER = re.compile(r'(fc|head|norm)\..*')
_STARTS_FRESH = re.compile(r'norm\d\..*|.*(num_batches_tracked|relative_position_index)')


def fit(backbone: nn.Module, source: Path) -> FittedWeights:
    """Weights of ``backbone`` in a file.

    Raises:
        CheckpointError: names or shapes differ in more than the classifier and output norms.
    """
    stored = read_state(source)
    converted = ConvertedWeights(stored.tensors, ())
    if 'patch_embed.proj.weight' in stored.tensors:
        converted = convert_swin(stored.tensors, source=str(source))
    return fit_weights(
        backbone,
        converted.weights,
        source=str(source),
        ignored=(*converted.ignored, *stored.others),
        may_be_unused=_CLASSIFIER.fullmatch,
        may_be_missing=_STARTS_FRESH.fullmatch,
        advice='Give a checkpoint of the backbone that the config names.',
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when the target was written."""
    return run_backbone(fit, __doc__, arguments)


if __name__ == '__main__':
    sys.exit(main())
