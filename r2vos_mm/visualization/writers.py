"""Frames from files, images and videos to files; a file appears whole or not at all."""

from __future__ import annotations

import contextlib
import importlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
from mmengine.fileio import get
from PIL import Image

from .overlay import check_frame

PathLike = str | Path

_PALETTE_FRAMES = 8
_PALETTE_PIXELS = 12_000  # of each of those frames: k-means on all of them takes about a second


class FrameFiles(Sequence):
    """The frames of a video as a sequence of RGB arrays (H, W, 3) uint8, read when asked for.

    Args:
        paths: image files, in any storage mmengine's file clients know.
    """

    def __init__(self, paths: Sequence[PathLike]) -> None:
        self.paths = [str(path) for path in paths]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        """Raises FileNotFoundError for a missing file, ValueError for one that is no image."""
        path = self.paths[index]
        image = cv2.imdecode(np.frombuffer(get(path), np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f'{path} is not an image that OpenCV can decode')
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def write_image(path: PathLike, image: np.ndarray) -> None:
    """Writes ``image`` (H, W, 3) uint8 RGB; the suffix names the format. Folders are made."""
    check_frame(image)
    with _whole_file(Path(path)) as temporary:
        Image.fromarray(image).save(temporary)


def write_video(path: PathLike, frames: Iterable[np.ndarray], *, fps: float = 6.0) -> None:
    """Writes RGB frames as a video; the suffix names the format.

    ``.mp4`` is H.264 where PyAV is installed, which browsers play, else OpenCV's MPEG-4 part 2.
    Odd sides are padded by one row or column. ``.gif`` has one palette for all frames, so that
    still parts do not flicker; equal neighbouring frames are stored once and shown longer.

    Args:
        path: ``*.mp4`` or ``*.gif``; folders are made, an old file is replaced when the new one is
            complete.
        frames: at least one image (H, W, 3) uint8, all of one size. A generator is read as a stream
            for mp4.
        fps: frames a second.

    Raises:
        ValueError: another suffix, no frames, frames of different sizes, fps not positive.
    """
    path = Path(path)
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise ValueError(f'{path}: a video is written as one of {sorted(_WRITERS)}')
    if not fps > 0:
        raise ValueError(f'fps is positive, got {fps}')
    with _whole_file(path) as temporary:
        writer(temporary, _checked(frames, path), fps)


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


@contextlib.contextmanager
def _whole_file(path: Path) -> Iterator[Path]:
    """A temporary name in the folder of ``path`` that takes its place if all goes well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=path.suffix, prefix='.', dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
        # mkstemp makes private files; a picture is to be read as any other new file is.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _even(frame: np.ndarray) -> np.ndarray:
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode='edge')


def _write_mp4(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    try:
        av = importlib.import_module('av')
    except ImportError:
        _write_opencv(path, frames, fps)
    else:
        _write_h264(av, path, frames, fps)


def _write_h264(av: ModuleType, path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    first = _even(next(frames))
    with av.open(str(path), 'w', options={'movflags': 'faststart'}) as container:
        stream = container.add_stream(
            'libx264', rate=Fraction(fps).limit_denominator(1000), options={'crf': '20'}
        )
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = 'yuv420p'
        for image in _chain(first, frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format='rgb24')))
        container.mux(stream.encode())


def _write_opencv(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    first = _even(next(frames))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), fps, first.shape[1::-1])
    if not writer.isOpened():
        raise OSError(f'OpenCV cannot write {path}: install PyAV (pip install av) or write a .gif')
    try:
        for image in _chain(first, frames):
            writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    finally:
        writer.release()


def _chain(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    for frame in rest:
        yield _even(frame)


def _write_gif(path: Path, frames: Iterator[np.ndarray], fps: float) -> None:
    images = [Image.fromarray(frame) for frame in frames]
    palette = _shared_palette(images)
    indexed = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    indexed[0].save(
        path,
        save_all=True,
        append_images=indexed[1:],
        loop=0,
        duration=max(20, round(1000 / fps)),
        optimize=False,
    )


def _shared_palette(images: list[Image.Image]) -> Image.Image:
    """256 colours for all frames, from a few of them.

    Maximum coverage keeps the few pixels of a contour's colour, which median cut averages away; the
    k-means steps then bring the error below median cut's.
    """
    step = max(1, len(images) // _PALETTE_FRAMES)
    stride = max(1, round((images[0].width * images[0].height / _PALETTE_PIXELS) ** 0.5))
    sample = np.concatenate([np.asarray(image)[::stride, ::stride] for image in images[::step]])
    return Image.fromarray(sample).quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=2)


_WRITERS: dict[str, Callable[[Path, Iterator[np.ndarray], float], None]] = {
    '.mp4': _write_mp4,
    '.gif': _write_gif,
}
