"""Make an ImageNet checkpoint of a ResNet or Swin ready for ``backbone.init_cfg``.

    python tools/model_converters/imagenet_to_r2vos.py \\
        configs/r2vos_swin2d_t.py swin_tiny_patch4_window7_224.pth pretrained/swin_t.pth

The backbone is that of the config. The classifier and the norm before it are left out, norms on a
Swin's maps keep their initial values; both are listed, and any other difference stops the
conversion. A converted Swin is named like MMDetection's: set ``convert_weights=False`` with it.
Kinetics-400 checkpoints of Video Swin go through ``video_swin_to_r2vos.py``.
"""
import argparse
import io
import re
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from torch import Tensor, nn

import r2vos_mm  # noqa: F401  (makes the ecosystem importable)
from r2vos_mm.compat.checkpoint import write_atomically
from r2vos_mm.models.backbones import CheckpointError, convert_swin, read_state_dict
from r2vos_mm.registry import MODELS

_CLASSIFIER = re.compile(r'(fc|head|norm)\..*')
_STARTS_FRESH = re.compile(r'norm\d\..*|.*(num_batches_tracked|relative_position_index)')


def convert(backbone: nn.Module, state: dict[str, Tensor], *, source: str) -> dict[str, Tensor]:
    """Weights of ``backbone`` in ``state``, the rest printed.

    Raises:
        CheckpointError: names or shapes differ in more than the classifier and output norms.
    """
    ignored: tuple[str, ...] = ()
    if 'patch_embed.proj.weight' in state:
        converted = convert_swin(state, source=source)
        state, ignored = converted.weights, converted.ignored
    wanted = backbone.state_dict()
    unused = [name for name in state if name not in wanted]
    missing = [name for name in wanted if name not in state]
    problems = [f'{name} has no place in the backbone' for name in unused
                if not _CLASSIFIER.fullmatch(name)]
    problems += [f'{name} is missing' for name in missing if not _STARTS_FRESH.fullmatch(name)]
    problems += [
        f'{name} has shape {tuple(tensor.shape)}, the backbone needs {tuple(wanted[name].shape)}'
        for name, tensor in state.items() if name in wanted and tensor.shape != wanted[name].shape]
    if problems:
        raise CheckpointError(
            f'{source} does not fit in {len(problems)} places: {"; ".join(problems[:3])}. Give a '
            'checkpoint of the backbone that the config names.')
    print(f'{len(wanted) - len(missing)} tensors of the backbone')
    print(f'  left out: {", ".join([*ignored, *unused]) or "none"}')
    print(f'  start fresh: {", ".join(missing) or "none"}')
    return {name: tensor for name, tensor in state.items() if name in wanted}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when the target was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path, help='config whose backbone the weights are for')
    parser.add_argument('source', type=Path, help='checkpoint to read')
    parser.add_argument('target', type=Path, help='file to write')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing target')
    args = parser.parse_args(arguments)
    if args.target.exists() and not args.overwrite:
        print(f'{args.target} exists; name another target or add --overwrite.', file=sys.stderr)
        return 1
    config = dict(Config.fromfile(args.config).model.backbone, init_cfg=None)
    try:
        weights = convert(
            MODELS.build(config), read_state_dict(args.source), source=str(args.source))
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return 1
    buffer = io.BytesIO()
    torch.save(dict(state_dict=weights, meta=dict(converted_from=args.source.name)), buffer)
    write_atomically(buffer.getvalue(), args.target)
    print(f'Wrote {args.target}.')
    return 0


if __name__ == '__main__':
    sys.exit(main())
