"""Convert a published Video Swin checkpoint to the names of ``VideoSwinTransformer``.

    python tools/model_converters/video_swin_to_r2vos.py \\
        swin_tiny_patch244_window877_kinetics400_1k.pth video_swin_t_k400.pth

Takes the public Kinetics-400 checkpoints and the backbone inside R2-VOS, ReferFormer and MTTR
checkpoints. ``init_cfg=dict(type='Pretrained', checkpoint=...)`` reads those files as they are; a
converted one is smaller and loads with ``load_state_dict(strict=True)``.
"""
import argparse
import sys
from pathlib import Path

import torch

import r2vos_mm  # noqa: F401  (makes the ecosystem importable)
from r2vos_mm.models.backbones import (
    CheckpointError,
    ConvertedWeights,
    convert_video_swin,
    read_state_dict,
)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=Path, help='checkpoint to read')
    parser.add_argument('target', type=Path, help='file to write')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing target')
    return parser.parse_args(arguments)


def convert(source: Path, target: Path) -> ConvertedWeights:
    """Write the backbone of ``source`` to ``target``.

    Raises:
        CheckpointError: if the source holds no Video Swin.
    """
    converted = convert_video_swin(read_state_dict(source), source=str(source))
    # Cloned, because a tensor that views a larger one is saved with all of it.
    weights = {name: tensor.clone() for name, tensor in converted.weights.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save(dict(state_dict=weights, meta=dict(converted_from=source.name)), target)
    return converted


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when the target was written."""
    args = parse_args(arguments)
    if args.target.exists() and not args.overwrite:
        print(f'{args.target} exists; name another target or add --overwrite.', file=sys.stderr)
        return 1
    try:
        converted = convert(args.source, args.target)
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return 1
    print(f'Wrote {args.target}: {converted.describe()}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
