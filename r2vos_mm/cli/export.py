"""Export the network that predicts one window of frames, for ``torch.export`` or ONNX runtimes.

    r2vos export CONFIG CHECKPOINT model.onnx --check

The file takes uint8 RGB frames of one size, up to a number of frames, and the tokens of one or more
expressions; it gives scores, boxes and masks of all queries, and the verdict. The number of words
is free. ``--check`` compares it with the model on random frames and on a video, with full and short
windows; the exit status is 1 if a difference exceeds ``--tolerance``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.utils.cli import (
    UsageError,
    add_cfg_options,
    check_writable,
    existing_file,
    positive,
)

from .model_options import build_model

if TYPE_CHECKING:  # heavy imports come after the arguments are parsed
    from r2vos_mm.apis.model_export import Comparison

SUFFIXES = {'torch': '.pt2', 'onnx': '.onnx'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('config', help='config file, or name of a listed model')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('out', type=Path, help='file to write, .pt2 or .onnx')
    parser.add_argument('--format', choices=list(SUFFIXES), help='default: by the suffix of OUT')
    parser.add_argument(
        '--frames',
        type=positive(int),
        default=8,
        help='frames of a window; the file also takes fewer (default: %(default)s)',
    )
    parser.add_argument(
        '--size',
        nargs=2,
        type=positive(int),
        metavar=('H', 'W'),
        help='size of the frames after the resize of the test pipeline (default: that of --video)',
    )
    parser.add_argument(
        '--text',
        choices=('tokens', 'features'),
        default='tokens',
        help='tokens: the file contains the text encoder (default); features: it does not',
    )
    parser.add_argument(
        '--texts', nargs='+', help='example expressions; the file takes this number at once'
    )
    parser.add_argument('--video', type=Path, help='default: the sample video in configs/samples')
    parser.add_argument('--check', action='store_true', help='compare the file with the model')
    parser.add_argument(
        '--tolerance',
        type=positive(float),
        default=1e-3,
        help='difference relative to the largest value of an output, at least 1 '
        '(default: %(default)s)',
    )
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    """Export, compare if asked to, and return the exit status."""
    kind = args.format or {v: k for k, v in SUFFIXES.items()}.get(args.out.suffix)
    if kind is None or args.out.suffix != SUFFIXES[kind]:
        raise UsageError(f'OUT {args.out}: {" or ".join(SUFFIXES.values())} names the format')
    check_writable(args.out, what='OUT')
    if args.video is not None:
        existing_file(args.video, what='--video')

    from r2vos_mm.apis.inference import checked_texts
    from r2vos_mm.apis.model_export import (
        EXAMPLE_TEXTS,
        WindowNetwork,
        compare_export,
        export_examples,
        export_model,
        read_example_frames,
    )

    args.device = 'cpu'
    model = build_model(args)
    network = WindowNetwork(model, text=args.text)
    frames = read_example_frames(model.cfg, args.video, args.frames, size=args.size)
    texts = checked_texts(args.texts or EXAMPLE_TEXTS[:1])
    examples = export_examples(network, frames, args.frames, texts)
    export_model(network, examples[0].inputs, args.out, format=kind)
    print(f'wrote {args.out}: {args.out.stat().st_size / 1e6:.1f} MB')
    if not args.check:
        return 0
    return 0 if _report(compare_export(network, args.out, examples), args.tolerance) else 1


def _report(comparison: Comparison, tolerance: float) -> bool:
    """Print the differences; return whether all are within the tolerance."""
    print(f'{"example":24}{"output":20}{"difference":>12}{"relative":>12}')
    for row in comparison.differences:
        print(f'{row.example:24}{row.output:20}{row.largest:12.2e}{row.relative:12.2e}')
    model, file = comparison.model_seconds, comparison.file_seconds
    print(f'one full window: {model:.3f} s in PyTorch, {file:.3f} s from the file')
    if comparison.is_within(tolerance):
        return True
    print(f'error: a difference exceeds {tolerance:g}', file=sys.stderr)
    return False
