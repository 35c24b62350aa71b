"""Segment the objects that expressions describe in a video, with a verdict for each expression.

``python tools/demo.py clip.mp4 "a red ball" "the dog on the left" --out-dir out`` writes, under
``out/``:

    overlay.mp4                 the video with one cell per expression
    masks/<n>_<expression>/*.png  one mask per frame, 255 = object; empty if the verdict is no
    result.json                 verdicts, consensus, scores and boxes

VIDEO is a video file or a folder of images. The default checkpoint was trained on the synthetic
shapes of RefShapes. For real videos, use ``--config`` and ``--checkpoint`` of a model trained on
real videos.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.apis.build_model import add_device_options, build_model
from r2vos_mm.utils.cli import (
    Progress,
    UsageError,
    add_cfg_options,
    check_writable,
    parser_of,
    positive,
    short_errors,
)

if TYPE_CHECKING:
    from r2vos_mm.apis import FrameSource

_ROOT = Path(__file__).resolve().parents[1]
_CONFIG = _ROOT / 'configs' / 'r2vos_tiny_refshapes.py'
_CHECKPOINT = _ROOT / 'configs' / 'checkpoints' / 'r2vos_tiny_refshapes.pth'
_SAMPLES = _ROOT / 'configs' / 'samples'
_REFSHAPES_FILE = 'refshapes.json'  # in the root folder of the data set


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('video', help='video file or folder of images')
    parser.add_argument(
        'sentences', nargs='+', metavar='expression', help='description of an object'
    )
    parser.add_argument('--config', default=str(_CONFIG), help='(default: %(default)s)')
    parser.add_argument('--checkpoint', help='(default: that of the default config)')
    parser.add_argument('--out-dir', type=Path, help='(default: work_dirs/demo/<video>)')
    parser.add_argument(
        '--frames-per-pass',
        '--window',
        type=int,
        help='frames per forward pass; fewer need less memory',
    )
    add_device_options(parser)
    parser.add_argument(
        '--fps',
        type=positive(float),
        help="frames per second of the overlay (default: the video's, or 6)",
    )
    add_cfg_options(parser)
    args = parser.parse_args(arguments)
    if args.checkpoint is None:
        if Path(args.config).resolve() != _CONFIG:
            parser.error('--config requires the --checkpoint that was trained with it')
        args.checkpoint = str(_CHECKPOINT)
    return args


def checked_input(args: argparse.Namespace) -> FrameSource:
    """Check frames per pass, expressions and video, and return the frames.

    Raises:
        UsageError, FileNotFoundError: one of them cannot be used.
    """
    from r2vos_mm.apis import open_frames
    from r2vos_mm.apis.inference import checked_sentences
    from r2vos_mm.datasets import DataFileError

    if args.frames_per_pass is not None and args.frames_per_pass < 1:
        raise UsageError(f'--frames-per-pass must be at least 1, got {args.frames_per_pass}')
    try:
        checked_sentences(args.sentences)
        return open_frames(args.video)
    except (DataFileError, ValueError) as error:
        raise UsageError(str(error)) from error


def checkpoint_note(args: argparse.Namespace) -> str | None:
    """Print what the default checkpoint was trained on, unless the video is one of RefShapes."""
    if args.checkpoint != str(_CHECKPOINT):
        return None
    folders = Path(args.video).resolve().parents
    if _SAMPLES in folders or any((folder / _REFSHAPES_FILE).is_file() for folder in folders[:5]):
        return None
    return (
        'note: the default checkpoint only knows the drawn shapes of RefShapes (such as "the small '
        'red ring"); for other videos give --config and --checkpoint of a model trained on them'
    )


def segment(args: argparse.Namespace) -> None:
    """Segment, write the files and print the summary."""
    from rich.console import Console

    from r2vos_mm.apis import segment_video
    from r2vos_mm.apis.results import summary_table
    from r2vos_mm.datasets import DataFileError

    source = checked_input(args)
    folder = args.out_dir or Path('work_dirs', 'demo', source.title)
    check_writable(folder, what='--out-dir', is_folder=True)
    if source.problem is not None:
        print(f'warning: {args.video}: {source.problem}', file=sys.stderr)
    note = checkpoint_note(args)
    if note is not None:
        print(note, file=sys.stderr)
    model = build_model(args)
    bar = Progress(len(source), 'frames')
    try:
        result = segment_video(
            model,
            source,
            args.sentences,
            frames_per_pass=args.frames_per_pass,
            precision=args.precision,
            on_progress=lambda done, total: bar.update(done),
        )
    except DataFileError as error:
        raise UsageError(str(error)) from error
    result.save(folder, what=('masks', 'json', 'overlay'), fps=args.fps)
    console = Console(width=None if Console().is_terminal else 120)
    console.print()
    console.print(summary_table(result))
    print(f'{folder}: overlay.mp4, masks/, result.json')


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(arguments)
    with short_errors(args.debug):
        segment(args)


if __name__ == '__main__':
    main()
