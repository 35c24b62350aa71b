"""Write the frames of video files as JPEGs, one folder per video.

    python tools/dataset_converters/extract_frames.py clips/*.mp4 --out data/mine/train/JPEGImages

Frames are named by their number in the video, so masks of some frames can be matched.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from r2vos_mm.utils.cli import check_writable, parser_of, short_errors
from r2vos_mm.utils.data_issues import DataFileError

JPEG_QUALITY = 95


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('videos', nargs='+', type=Path, help='video files')
    parser.add_argument('--out', type=Path, required=True, help='output folder')
    parser.add_argument(
        '--every',
        type=int,
        default=5,
        metavar='N',
        help='every Nth frame (default: 5, as in YouTube-VOS)',
    )
    args = parser.parse_args()
    if args.every < 1:
        parser.error('--every must be at least 1')
    by_name = {video.stem: video for video in args.videos}
    for video in args.videos:
        if by_name[video.stem].absolute() != video.absolute():
            other = by_name[video.stem]
            parser.error(f'{video} and {other} would both be {video.stem}: rename one of them')
    return args


def remove_draft(draft: Path) -> None:
    """Remove the frames of an interrupted extraction.

    Raises:
        FileExistsError: the folder holds something else.
    """
    if draft.is_symlink() or any(p.suffix != '.jpg' or p.is_dir() for p in draft.glob('*')):
        raise FileExistsError(f'{draft} is not from an interrupted extraction: move it away')
    if draft.exists():
        shutil.rmtree(draft)


def extract(video: Path, out: Path, every: int) -> int | None:
    """Write every Nth frame of a video; return the number of frames, None if the folder exists.

    Raises:
        DataFileError, FileNotFoundError: the video cannot be read.
    """
    from PIL import Image

    from r2vos_mm.datasets.io.frames import open_frames

    final, draft = out / video.stem, out / f'.{video.stem}.part'
    if final.exists():
        return None
    frames = open_frames(video)
    remove_draft(draft)
    draft.mkdir(parents=True)
    written = 0
    for index, (name, frame) in enumerate(zip(frames.names, frames)):
        if index % every == 0:
            Image.fromarray(frame).save(draft / f'{name}.jpg', quality=JPEG_QUALITY)
            written += 1
    os.replace(draft, final)
    return written


def main() -> int:
    """Extract all videos; return status 1 if one could not be read."""
    args = parse_args()
    status = 0
    with short_errors(args.debug):
        check_writable(args.out, what='--out', is_folder=True)
        for video in args.videos:
            try:
                written = extract(video, args.out, args.every)
            except (OSError, DataFileError) as error:
                print(f'error: {video}: {error}', file=sys.stderr)
                status = 1
                continue
            told = 'already there' if written is None else f'{written} frames'
            print(f'{args.out / video.stem}: {told}')
    return status


if __name__ == '__main__':
    sys.exit(main())
