"""Reduce a training checkpoint to its weights and their origin, for publication.

    r2vos convert publish work_dirs/run/best_JFR_iter_6000.pth model.pth

The optimizer, schedules, random states and logs are removed. Floating point weights are stored in
float16, which halves the size (``--precision float32`` keeps float32), and the file is compressed.
It is loaded like any other checkpoint.
"""

import argparse
from pathlib import Path

from r2vos_mm.utils.cli import UsageError, check_writable
from r2vos_mm.utils.files import write_atomically


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('source', type=Path, help='checkpoint of a training run')
    parser.add_argument('target', type=Path, help='file to write')
    parser.add_argument('--precision', choices=('float16', 'float32'), default='float16')


def run(args: argparse.Namespace) -> None:
    """Write the checkpoint."""
    import torch

    from r2vos_mm.converters.publish import archived, compressed, published
    from r2vos_mm.utils.checkpoint import read_checkpoint

    check_writable(args.target, what='TARGET')
    checkpoint = read_checkpoint(args.source)
    if 'state_dict' not in checkpoint:
        raise UsageError(f'{args.source} does not contain a state_dict: use a training checkpoint')
    content = published(checkpoint, dtype=getattr(torch, args.precision))
    content = compressed(archived(content))
    write_atomically(content, args.target)
    print(f'wrote {args.target}: {len(content) / 1e6:.1f} MB')
