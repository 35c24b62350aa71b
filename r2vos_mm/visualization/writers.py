"""Write images and videos atomically."""

import importlib
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
from PIL import Image

from r2vos_mm.utils.files import PathLike, atomic_path

from .overlay import check_frame


def write_image(path: PathLike, image: np.ndarray) -> None:
    """Write ``image`` (H, W, 3) uint8 RGB in the format of the suffix; folders are created."""
    check_frame(image)
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary)


def write_video(path: PathLike, frames: Iterable[np.ndarray], *, fps: float = 6.0) -> None:
    """Write RGB frames as a video in the format of the suffix.

    ``.mp4`` is H.264 if PyAV is installed, which browsers play, else OpenCV's MPEG-4 part 2.
    Odd sides are padded by one row or column. ``.gif`` has one palette for all frames, so that
    still parts do not flicker; equal neighbouring frames are stored once and shown longer.

    Args:
        path: ``*.mp4`` or ``*.gif``; an old file is replaced when the new one is complete.
        frames: Images (H, W, 3) uint8 of one size, at least one; mp4 reads them as a stream.
        fps: Frames per second.

    Raises:
        ValueError: Another suffix, no frames, frames of different sizes, fps not positive.
    """
    path = Path(path)
    if path.suffix.lower() not in _WRITERS:
        raise ValueError(f'{path}: a video is written as one of {sorted(_WRITERS)}')
    if not fps > 0:
        raise ValueError(f'fps is positive, got {fps}')
    with atomic_path(path) as temporary:
        _WRITERS[path.suffix.lower()](temporary, _checked(frames, path), fps)


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


def _write_mp4(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    try:
        write = partial(_write_h264, importlib.import_module('av'))
    except ImportError:
        write = _write_opencv
    write(path, map(_even, frames), fps)


def _even(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode='edge')


def _write_h264(av: ModuleType, path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    first = next(frames)
    with av.open(str(path), 'w', options={'movflags': 'faststart'}) as container:
        rate = Fraction(fps).limit_denominator(1000)
        stream = container.add_stream('libx264', rate=rate, options={'crf': '20'})
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


def _write_gif(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    images = [Image.fromarray(frame) for frame in frames]
    palette = _shared_palette(images)
    indexed = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    timing = dict(loop=0, duration=max(20, round(1000 / fps)))
    indexed[0].save(path, save_all=True, append_images=indexed[1:], optimize=False, **timing)


def _shared_palette(images: list[Image.Image]) -> Image.Image:
    """256 colours for all frames, from a few of them."""
    # Maximum coverage keeps the few pixels of a contour's colour, which median cut averages away;
    # the k-means steps then bring the error below median cut's.
    step = max(1, len(images) // 8)
    # 12,000 pixels of each: k-means on all of them takes about a second.
    stride = max(1, round((images[0].width * images[0].height / 12_000) ** 0.5))
    sample = np.concatenate([np.asarray(image)[::stride, ::stride] for image in images[::step]])
    return Image.fromarray(sample).quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2)


_WRITERS = {'.mp4': _write_mp4, '.gif': _write_gif}
