"""Segment the objects that expressions describe in a video, with a verdict for each expression.

``r2vos predict clip.mp4 "a red ball" "the dog on the left" --out-dir out`` writes, under ``out/``:

    overlay.mp4                 the video with one cell per expression
    masks/<n>_<expression>/*.png  one mask per frame, 255 = object; empty if the verdict is no
    result.json                 verdicts, consensus, scores and boxes

VIDEO is a video file or a folder of images. The default checkpoint was trained on the synthetic
shapes of RefShapes. For real videos, use ``--model`` and ``--weights`` of a model trained on real
videos.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2vos_mm.apis.build_model import build_model
from r2vos_mm.apis.results import KINDS
from r2vos_mm.engine.model_index import content_root
from r2vos_mm.utils.cli import (
    Progress,
    UsageError,
    add_cfg_options,
    check_writable,
    messages_on_stderr,
    positive,
)

from .model_options import add_model_options, add_run_options, choose_model

if TYPE_CHECKING:
    from r2vos_mm.apis import FrameSource, VideoSegmentation

SAVED = ('masks', 'json', 'overlay')
_REFSHAPES_FILE = 'refshapes.json'  # in the root folder of the data set


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('video', help='video file or folder of images')
    parser.add_argument('texts', nargs='+', metavar='expression', help='description of an object')
    add_model_options(parser)
    parser.add_argument(
        '--out-dir', '--out', type=Path, help='(default: work_dirs/predict/<video>)'
    )
    parser.add_argument(
        '--save',
        nargs='+',
        choices=KINDS,
        default=SAVED,
        metavar='KIND',
        help=f'what to write, of {", ".join(KINDS)} (default: {" ".join(SAVED)})',
    )
    parser.add_argument(
        '--json',
        action='store_true',
        help='print the content of result.json in place of the table, and nothing else on stdout',
    )
    add_run_options(parser)
    parser.add_argument(
        '--fps',
        type=positive(float),
        help="frames per second of the overlay (default: the video's, or 6)",
    )
    add_cfg_options(parser)


def is_of_refshapes(video: str) -> bool:
    """Return whether a video lies in a RefShapes data set, or is the sample of it."""
    folders = Path(video).resolve().parents
    samples = (content_root() / 'configs' / 'samples').resolve()
    return samples in folders or any((f / _REFSHAPES_FILE).is_file() for f in folders[:5])


def checked_input(args: argparse.Namespace) -> FrameSource:
    """Check expressions and video, and return the frames.

    Raises:
        UsageError, FileNotFoundError: one of them cannot be used.
    """
    from r2vos_mm.apis import open_frames
    from r2vos_mm.apis.inference import checked_sentences
    from r2vos_mm.datasets import DataFileError

    try:
        checked_sentences(args.texts)
        return open_frames(args.video)
    except (DataFileError, ValueError) as error:
        raise UsageError(str(error)) from error


def run(args: argparse.Namespace) -> None:
    """Segment, write the files and print the result."""
    with messages_on_stderr(args.json):
        result, written = segment(args)
    if args.json:
        print(json.dumps(record_of(result, has_masks='masks' in args.save)))
    else:
        print_table(result)
        print(f'{written[0].parent}: {", ".join(path.name for path in written)}')


def segment(args: argparse.Namespace) -> tuple[VideoSegmentation, list[Path]]:
    """Segment and write the files; return the result and the files.

    Raises:
        UsageError: an option, the video or the model cannot be used.
    """
    from r2vos_mm.apis import segment_video
    from r2vos_mm.datasets import DataFileError

    note = choose_model(args)
    source = checked_input(args)
    folder = args.out_dir or Path('work_dirs', 'predict', source.title)
    check_writable(folder, what='--out-dir', is_folder=True)
    if source.problem is not None:
        print(f'warning: {args.video}: {source.problem}', file=sys.stderr)
    if note is not None and not is_of_refshapes(args.video):
        print(f'note: {note}', file=sys.stderr)
    model = build_model(args)
    bar = Progress(len(source), 'frames')
    try:
        result = segment_video(
            model,
            source,
            args.texts,
            frames_per_pass=args.frames_per_pass,
            precision=args.precision,
            on_progress=lambda done, total: bar.update(done),
        )
    except DataFileError as error:
        raise UsageError(str(error)) from error
    return result, result.save(folder, what=args.save, fps=args.fps)


def record_of(result: VideoSegmentation, *, has_masks: bool) -> dict[str, Any]:
    """Return the content of ``result.json``."""
    from r2vos_mm.apis.results import as_record, mask_folders

    folders = [f'masks/{name}' if has_masks else None for name in mask_folders(result)]
    return as_record(result, folders)


def print_table(result: VideoSegmentation) -> None:
    """Print one row per expression."""
    from rich.console import Console

    from r2vos_mm.apis.results import summary_table

    console = Console(width=None if Console().is_terminal else 120)
    console.print()
    console.print(summary_table(result))
