"""Segment a stream window by window, and write JSON Lines while it runs.

    r2vos stream clip.mp4 "a dog" > masks.jsonl
    r2vos stream rtsp://camera/1 "a person" "a red car" --frames-per-pass 8 --latest-only
    ffmpeg -i clip.mkv -f image2pipe -c:v mjpeg - | r2vos stream - "the dog" --no-masks

SOURCE is a video file, a folder of images, the address of a network stream, the number of a camera,
or - for standard input. After each window, one line per expression has the masks of the window as
run-length codes and the verdict of all frames so far (docs/formats.md). Memory does not grow with
the length of the stream. --out-dir also writes masks, masks.jsonl and verdict.json, which stay
valid when Ctrl-C ends the stream.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.utils.cli import add_cfg_options, check_writable, messages_on_stderr

from .model_options import add_inference_options, add_model_options, build_model, choose_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from r2vos_mm.apis.streaming.stream import StreamPart

_FRAMES_PER_PASS = 36


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('source', help='stream, see above')
    parser.add_argument('texts', nargs='+', metavar='expression', help='description of an object')
    add_model_options(parser)
    parser.add_argument('--out-dir', '--out', type=Path, help='folder for files, too')
    parser.add_argument(
        '--no-masks', action='store_true', help='omit the masks from the lines on stdout'
    )
    parser.add_argument(
        '--latest-only',
        action='store_true',
        help='drop frames that come faster than the model takes them, so that each window is new',
    )
    add_inference_options(parser)
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Print one JSON line per window and expression, and write the files."""
    from r2vos_mm.apis.streaming.writer import StreamWriter

    with ExitStack() as stack:
        with messages_on_stderr():
            parts = open_parts(args)
            if args.out_dir is not None:
                writer = stack.enter_context(StreamWriter(args.out_dir))
        while True:
            with messages_on_stderr():
                part = next(parts, None)
                if part is None:
                    return
                if args.out_dir is not None:
                    writer.write(part)
            print_part(part, has_masks=not args.no_masks)


def open_parts(args: argparse.Namespace) -> Iterator[StreamPart]:
    """Build the model and open the stream."""
    from r2vos_mm.apis.inference import checked_texts
    from r2vos_mm.apis.streaming.stream import stream_video
    from r2vos_mm.datasets.io.sources import open_stream

    note = choose_model(args, args.source)
    checked_texts(args.texts)
    source = open_stream(args.source)
    if args.out_dir is not None:
        check_writable(args.out_dir, what='--out-dir', is_folder=True)
    if note is not None:
        print(f'note: {note}', file=sys.stderr)
    return stream_video(
        build_model(args),
        source,
        args.texts,
        frames_per_pass=args.frames_per_pass or _FRAMES_PER_PASS,
        latest_only=args.latest_only,
        compress=True,
        precision=args.precision,
    )


def print_part(part: StreamPart, *, has_masks: bool) -> None:
    """Print one line per expression, and flush them."""
    for record in part.records():
        content = record.as_dict()
        if not has_masks:
            del content['segmentations']
        print(json.dumps(content), flush=True)
