"""Segment the objects that expressions describe in a video, with a verdict for each expression.

``r2vos predict clip.mp4 "a red ball" "the dog on the left" --out-dir out`` writes, under ``out/``:

    overlay.mp4                 the video with one cell per expression
    masks/<n>_<expression>/*.png  one mask per frame, 255 = object; empty if the verdict is no
    result.json                 verdicts, consensus, scores and boxes

VIDEO is a video file, image, folder of images, address of a file, - for frames on standard input,
or a quoted pattern of several videos ('clips/*.mp4'), each of which gets its own folder. The
default model is a small one for real video, or for videos of RefShapes the one that knows these
drawn shapes; --model and --weights choose another. Cameras and streams: r2vos stream.

``r2vos predict --manifest jobs.jsonl --out DIR`` segments many videos in one or several processes,
and continues where an earlier run stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.apis.results.video_segmentation import KINDS, as_record
from r2vos_mm.utils.cli import (
    UsageError,
    add_cfg_options,
    cfg_options,
    check_writable,
    messages_on_stderr,
    positive,
)

from .collection import add_collection_options, label, refuse_collection_options
from .model_options import add_inference_options, add_model_options, choose_model

if TYPE_CHECKING:
    from r2vos_mm.apis import VideoSegmentation
    from r2vos_mm.datasets.io.frames import FrameStream

SAVED = ('masks', 'json', 'overlay')


def kind(text: str) -> str:
    """Parse a kind of files; ``coco-rle`` is ``coco_rle``."""
    name = text.replace('-', '_')
    if name not in KINDS:
        raise argparse.ArgumentTypeError(f'{text} is unknown; there are {", ".join(KINDS)}')
    return name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('video', nargs='?', help='video, see above')
    parser.add_argument('texts', nargs='*', metavar='expression', help='description of an object')
    add_model_options(parser)
    parser.add_argument(
        '--out-dir', '--out', type=Path, help='(default: work_dirs/predict/<video>)'
    )
    parser.add_argument(
        '--save',
        nargs='+',
        type=kind,
        metavar='KIND',
        help=f'what to write, of {", ".join(KINDS)} (default: {" ".join(SAVED)})',
    )
    parser.add_argument(
        '--json',
        action='store_true',
        help='print the content of result.json, one line per video, and nothing else on stdout',
    )
    add_inference_options(parser)
    parser.add_argument(
        '--fps',
        type=positive(float),
        help="frames per second of the overlay (default: the video's, or 6)",
    )
    add_cfg_options(parser)
    add_collection_options(parser)


def checked_input(video: str, texts: Sequence[str]) -> list[FrameStream]:
    """Check expressions and videos, and return the videos, opened.

    Raises:
        DataFileError, FileNotFoundError, ValueError: one of them cannot be used.
    """
    from r2vos_mm.apis.inference import checked_texts
    from r2vos_mm.datasets.io.sources import open_frames, open_sources

    checked_texts(texts)
    sources = open_sources(video)
    # One video is read before the model is loaded; of several, each when its turn comes.
    return [open_frames(sources[0])] if len(sources) == 1 else sources


def run(args: argparse.Namespace) -> None:
    """Segment, write the files and print the results."""
    if args.manifest is not None:
        label(args)
        return
    refuse_collection_options(args)
    args.save = args.save or SAVED
    if not args.texts:
        raise UsageError('give a video and expressions, or --manifest (see r2vos predict --help)')
    with messages_on_stderr(args.json):
        results, folders = segment(args)
        for result, target in zip(results, folders):
            names = [path.name for path in result.save(target, what=args.save, fps=args.fps)]
            if not args.json:
                print_table(result)
                print(f'{target}: {", ".join(names)}')
    if args.json:
        for result in results:
            print(json.dumps(as_record(result, 'masks/' if 'masks' in args.save else None)))


def segment(args: argparse.Namespace) -> tuple[list[VideoSegmentation], list[Path]]:
    """Segment the videos; return the results and a folder for the files of each.

    Raises:
        UserError, FileNotFoundError, ValueError: an option, a video or the model cannot be used.
    """
    from r2vos_mm.apis import R2VOSInferencer
    from r2vos_mm.apis.inferencer import result_folders

    note = choose_model(args, args.video)
    sources = checked_input(args.video, args.texts)
    folder = args.out_dir or Path('work_dirs', 'predict')
    if args.out_dir is None and len(sources) == 1:
        folder /= sources[0].title
    check_writable(folder, what='--out-dir', is_folder=True)
    if note is not None:
        print(f'note: {note}', file=sys.stderr)
    segmenter = R2VOSInferencer(
        args.config,
        args.checkpoint,
        args.device,
        dtype=args.precision,
        cfg_options=cfg_options(args.cfg_options),
    )
    options = dict(texts=args.texts, frames_per_pass=args.frames_per_pass)
    results = segmenter(sources, **options)['predictions']
    return results, result_folders(folder, [result.video for result in results])


def print_table(result: VideoSegmentation) -> None:
    """Print one row per expression."""
    from rich.console import Console

    from r2vos_mm.apis.results.video_segmentation import summary_table

    console = Console(width=None if Console().is_terminal else 120)
    console.print()
    console.print(summary_table(result))
