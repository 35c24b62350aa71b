"""Write the frames of video files as JPEGs, one folder per video.

    r2vos data frames clips/*.mp4 --out data/mine/train/JPEGImages

Frames are named by their number in the video, so that masks of some frames can be matched. If a
video is damaged, the frames before the damage are written, and the exit status is 1.
"""

import argparse
import math
import os
import sys
from bisect import bisect_right
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.utils.cli import UsageError, check_writable, positive
from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.files import atomic_path, remove_own_folder

if TYPE_CHECKING:
    from r2vos_mm.apis import FrameSource

JPEG_QUALITY = 95
SOURCE = '.source'  # in each folder: the size of its video file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('videos', nargs='+', type=Path, help='video files')
    parser.add_argument('--out', type=Path, required=True, help='output folder')
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        '--every',
        type=int,
        default=5,
        metavar='N',
        help='every Nth frame (default: 5, as in YouTube-VOS)',
    )
    chosen.add_argument(
        '--fps',
        type=positive(float),
        help='frames per second, chosen by their times, as for videos of a variable frame rate',
    )


def check_arguments(args: argparse.Namespace) -> None:
    """Raise UsageError if a number or a folder is wrong, or two videos have the same name."""
    if args.every < 1:
        raise UsageError('--every must be at least 1')
    by_name = {video.stem: video for video in args.videos}
    for video in args.videos:
        if by_name[video.stem].absolute() != video.absolute():
            other = by_name[video.stem]
            raise UsageError(f'{video} and {other} would both be {video.stem}: rename one of them')
    check_writable(args.out, what='--out', is_folder=True)


def chosen_frames(source: 'FrameSource', every: int, fps: float | None) -> Container[int]:
    """Return the indices of every Nth frame, or of those that are shown at regular times."""
    if fps is None:
        return range(0, len(source), every)
    if source.times is None:
        raise DataFileError(f'{source.title} has no times: choose frames with --every')
    count = math.floor(source.times[-1] * fps + 1e-6) + 1
    return {bisect_right(source.times, i / fps + 1e-6) - 1 for i in range(count)}


def extract(video: Path, out: Path, every: int, fps: float | None = None) -> tuple[str, str | None]:
    """Write frames of a video; return what was done, and what is missing, None if nothing is.

    Raises:
        DataFileError, OSError: the video cannot be read, or its folder has frames of another video.
    """
    from PIL import Image

    from r2vos_mm.datasets.io.sources import open_frames

    final, draft = out / video.stem, out / f'.{video.stem}.part'
    if final.exists():
        size, mark = str(video.stat().st_size), final / SOURCE
        if mark.is_file() and mark.read_text() != size:
            raise FileExistsError(f'{final} has the frames of another video: rename one of them')
        return 'already there', None
    frames = open_frames(video)
    chosen = chosen_frames(frames, every, fps)
    remove_own_folder(draft, '*.jpg', SOURCE)
    draft.mkdir(parents=True)
    written = 0
    for index, (name, frame) in enumerate(zip(frames.names, frames)):
        if index in chosen:
            with atomic_path(draft / f'{name}.jpg') as temporary:
                Image.fromarray(frame).save(temporary, quality=JPEG_QUALITY)
            written += 1
    if video.is_file():
        (draft / SOURCE).write_text(str(video.stat().st_size))
    os.replace(draft, final)
    return f'{written} frames', frames.problem


def run(args: argparse.Namespace) -> int:
    """Extract all videos; return status 1 if one could not be read completely."""
    check_arguments(args)
    status = 0
    for video in args.videos:
        try:
            done, problem = extract(video, args.out, args.every, args.fps)
        except (OSError, DataFileError) as error:
            where = '' if str(video) in str(error) else f'{video}: '
            print(f'error: {where}{error}', file=sys.stderr)
            status = 1
            continue
        print(f'{args.out / video.stem}: {done}')
        if problem:
            print(f'error: {video}: {problem}', file=sys.stderr)
            status = 1
    return status
