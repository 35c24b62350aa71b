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
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

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
from r2vos_mm.utils.files import atomic_path, write_json

if TYPE_CHECKING:
    from rich.table import Table

    from r2vos_mm.apis import FrameSource, VideoSegmentation

_ROOT = Path(__file__).resolve().parents[1]
_CONFIG = _ROOT / 'configs' / 'r2vos_tiny_refshapes.py'
_CHECKPOINT = _ROOT / 'configs' / 'checkpoints' / 'r2vos_tiny_refshapes.pth'
_SAMPLES = _ROOT / 'configs' / 'samples'
_REFSHAPES_FILE = 'refshapes.json'  # in the root folder of the data set
_DEFAULT_FPS = 6.0


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
        help=f"frames per second of the overlay (default: the video's, or {_DEFAULT_FPS:g})",
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


def write_masks(result: VideoSegmentation, folder: Path) -> list[Path]:
    """Write one folder per expression and one PNG per frame, 255 = object; return the folders."""
    import cv2

    folders = []
    for position, sentence in enumerate(result.sentences):
        target = folder / f'{position}_{slug(sentence)}'
        target.mkdir(parents=True, exist_ok=True)
        for name, mask in zip(result.frame_names, result.masks[position]):
            _, content = cv2.imencode('.png', mask.astype(np.uint8) * 255)
            with atomic_path(target / f'{name}.png') as temporary:
                temporary.write_bytes(content.tobytes())
        folders.append(target)
    return folders


def slug(sentence: str) -> str:
    """Return a short file name for an expression.

    >>> slug('the dog, left of the bus')
    'the_dog_left_of_the_bus'
    """
    return re.sub(r'\W+', '_', sentence).strip('_')[:48]


def as_record(result: VideoSegmentation, mask_folders: Sequence[str]) -> dict:
    """Return the content of ``result.json``: everything but the masks, and their folders."""
    return dict(
        video=result.video,
        size=list(result.masks.shape[-2:]),
        frames=result.frame_names,
        gate_threshold=result.gate_threshold,
        sentences=[
            dict(
                sentence=sentence,
                found=bool(result.found[p]),
                consensus=_rounded(result.consensus[p]) if result.judged else None,
                score=_rounded(result.scores[p].mean()),
                scores=_rounded(result.scores[p]),
                boxes=_rounded(result.boxes[p], 2),
                masks=mask_folders[p],
            )
            for p, sentence in enumerate(result.sentences)
        ],
    )


def _rounded(values: np.ndarray | np.floating, digits: int = 4) -> float | list:
    return np.asarray(values, np.float64).round(digits).tolist()


def summary(result: VideoSegmentation) -> Table:
    """Return one row per expression: verdict, consensus, mean score, frames with a mask."""
    from rich.table import Table
    from rich.text import Text

    table = Table('sentence', 'verdict', 'consensus', 'score', 'frames with mask')
    for p, sentence in enumerate(result.sentences):
        verdict = 'in the video' if result.found[p] else 'not in the video'
        frames = int(result.masks[p].any((-2, -1)).sum())
        table.add_row(
            Text(sentence),  # brackets in it are no markup
            verdict if result.judged else '-',
            f'{result.consensus[p]:.2f}' if result.judged else '-',
            f'{result.scores[p].mean():.2f}',
            f'{frames} of {len(result.frame_names)}',
        )
    return table


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


def write_all(
    result: VideoSegmentation, source: FrameSource, folder: Path, *, fps: float | None
) -> None:
    """Write overlay, masks and JSON into ``folder``."""
    from r2vos_mm.visualization import Style, video_grid, write_video

    masks = write_masks(result, folder / 'masks')
    record = as_record(result, [str(path.relative_to(folder)) for path in masks])
    write_json(folder / 'result.json', record, indent=None)
    grid = video_grid(
        source, result.views(), title=result.video, frame_ids=result.frame_names, style=Style()
    )
    write_video(folder / 'overlay.mp4', grid, fps=fps or result.fps or _DEFAULT_FPS)


def segment(args: argparse.Namespace) -> None:
    """Segment, write the files and print the summary."""
    from rich.console import Console

    from r2vos_mm.apis import segment_video
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
    write_all(result, source, folder, fps=args.fps)
    console = Console(width=None if Console().is_terminal else 120)
    console.print()
    console.print(summary(result))
    print(f'{folder}: overlay.mp4, masks/, result.json')


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(arguments)
    with short_errors(args.debug):
        segment(args)


if __name__ == '__main__':
    main()
