"""Write images and videos atomically."""

import contextlib
import errno
import importlib
import math
import shutil
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache, partial
from itertools import chain, count, islice, pairwise
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
from PIL import Image, ImageSequence

from r2vos_mm.utils.cli import say_once
from r2vos_mm.utils.files import PathLike, atomic_path

from .overlay import check_frame

MIN_FPS, MAX_FPS, MAX_GIF_FPS = 0.01, 1000, 50
H264_ENCODER = 'libx264'
FULL = 2**20  # free bytes below which a disk is full


def write_image(path: PathLike, image: np.ndarray) -> None:
    """Write ``image`` (H, W, 3) uint8 RGB in the format of the suffix; folders are created."""
    check_frame(image)
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary)


def write_video(path: PathLike, frames: Iterable[np.ndarray], *, fps: float = 6.0) -> None:
    """Write RGB frames as a video in the format of the suffix.

    ``.mp4`` is H.264 (yuv420p, index at the front), which browsers play, if PyAV is installed. Else
    it is OpenCV's MPEG-4 part 2, which most browsers do not play, and a warning is printed on
    stderr. Odd sides are padded by one row or column. ``.gif`` has one palette for all frames, so
    that still parts do not flicker; equal neighbouring frames are stored once and shown longer. It
    shows at most 50 frames per second and skips those beyond. The file is read back before it
    gets its name.

    Args:
        path: ``*.mp4`` or ``*.gif``; an old file is replaced when the new one is complete.
        frames: Images (H, W, 3) uint8 of one size, at least one; mp4 reads them as a stream.
        fps: Frames per second.

    Raises:
        ValueError: Another suffix, no frames, frames of different sizes, fps not in [0.01, 1000].
        OSError: The file cannot be written or read back.
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise ValueError(f'{path}: a video is written as one of {sorted(_WRITERS)}')
    if not MIN_FPS <= fps <= MAX_FPS:
        raise ValueError(f'fps is a positive number, {MIN_FPS} to {MAX_FPS}, got {fps}')
    with atomic_path(path) as temporary:
        written, found = _WRITERS[path.suffix.lower()](temporary, _checked(frames, path), fps)
        if found != written:
            full = shutil.disk_usage(path.parent).free < FULL
            problem = f'{found} of {written} can be read back after writing'
            raise OSError(errno.ENOSPC if full else errno.EIO, problem, str(path))


def _checked(frames: Iterable[np.ndarray], path: Path) -> Iterator[np.ndarray]:
    shape = None
    for index, frame in enumerate(frames):
        check_frame(frame)
        shape = shape or frame.shape
        if frame.shape != shape:
            raise ValueError(f'{path}: frame {index} is {frame.shape}, the ones before are {shape}')
        yield frame
    if shape is None:
        raise ValueError(f'{path}: there are no frames to write')


def _write_mp4(path: Path, frames: Iterator[np.ndarray], fps: float) -> tuple[int, int]:
    """Return the numbers of frames that were written, and that can be read back."""
    av = h264_library()
    if av is None:
        _note_mpeg4()
    write = partial(_write_h264, av) if av else _write_opencv
    counter = count()
    write(path, (_even(frame) for frame, _ in zip(frames, counter)), fps)
    video, found = cv2.VideoCapture(str(path)), 0
    while video.grab():
        found += 1
    video.release()
    return next(counter), found


def h264_library() -> ModuleType | None:
    """Return PyAV if it is installed and built with an encoder for H.264."""
    with contextlib.suppress(ImportError):
        av = importlib.import_module('av')
        if H264_ENCODER in av.codecs_available:
            return av
    return None


@cache
def _note_mpeg4() -> None:
    say_once(
        'note: without PyAV, mp4 files are written as MPEG-4 part 2, which browsers may not play; '
        "for H.264: pip install 'r2vos_mm[video]'"
    )


def _even(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode='edge')


def _write_h264(av: ModuleType, path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    first = next(frames)
    with av.open(str(path), 'w', options={'movflags': 'faststart'}) as container:
        rate = Fraction(fps).limit_denominator(1000)
        stream = container.add_stream(H264_ENCODER, rate=rate, options={'crf': '20'})
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = 'yuv420p'
        for image in chain([first], frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format='rgb24')))
        container.mux(stream.encode())


def _write_opencv(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    first = next(frames)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), fps, first.shape[1::-1])
    if not writer.isOpened():
        raise OSError(f'OpenCV cannot write {path}: install PyAV (pip install av) or write a .gif')
    try:
        for image in chain([first], frames):
            writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    finally:
        writer.release()


def _write_gif(path: Path, frames: Iterator[np.ndarray], fps: float) -> tuple[int, int]:
    """Return the milliseconds that were written, and that can be read back."""
    step = math.ceil(fps / MAX_GIF_FPS)
    images = [Image.fromarray(frame) for frame in islice(frames, 0, None, step)]
    # Times are stored in hundredths of a second.
    ends = [round(100 * step * i / fps) * 10 for i in range(len(images) + 1)]
    durations = [end - start for start, end in pairwise(ends)]
    palette = _shared_palette(images)
    indexed = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    timing = dict(loop=0, duration=durations)
    indexed[0].save(path, save_all=True, append_images=indexed[1:], optimize=False, **timing)
    with Image.open(path) as image:
        found = sum(frame.info.get('duration', 0) for frame in ImageSequence.Iterator(image))
    return ends[-1] if len(images) > 1 else found, found


def _shared_palette(images: list[Image.Image]) -> Image.Image:
    """Return 256 colours for all frames, from a few of them."""
    # Maximum coverage keeps the few pixels of a contour's colour, which median cut averages away;
    # the k-means steps then bring the error below median cut's.
    step = max(1, len(images) // 8)
    # 12,000 pixels of each: k-means on all of them takes about a second.
    stride = max(1, round((images[0].width * images[0].height / 12_000) ** 0.5))
    sample = np.concatenate([np.asarray(image)[::stride, ::stride] for image in images[::step]])
    return Image.fromarray(sample).quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2)


_WRITERS = {'.mp4': _write_mp4, '.gif': _write_gif}
