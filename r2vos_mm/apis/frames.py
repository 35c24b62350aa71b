"""Frames of a folder, a video file or an array, decoded one by one and as often as wanted."""

from __future__ import annotations

import importlib
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from r2vos_mm.datasets import DataFileError, LoadVideoFrame
from r2vos_mm.datasets.io.video import READERS

PathLike = str | Path

_IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')


class FrameSource:
    """The frames of one video; each iteration decodes them anew and holds one at a time.

    Attributes:
        title: name of the video.
        names: T names of the frames, all different.
        fps: frames a second, None if unknown.
    """

    title: str
    names: list[str]
    fps: float | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[np.ndarray]:
        """T frames (H0, W0, 3) uint8 RGB, all of one size.

        Raises:
            DataFileError: a frame is broken or differs in size from the first; says which.
        """
        shape = None
        for index, frame in enumerate(self.decode()):
            shape = shape or frame.shape
            if frame.shape != shape:
                raise DataFileError(
                    f'{self.where(index)} has size {frame.shape[:2]}, the frames before it '
                    f'{shape[:2]} (height, width): frames of one video have one size'
                )
            yield frame

    @abstractmethod
    def decode(self) -> Iterator[np.ndarray]:
        """T frames (H0, W0, 3) uint8 RGB."""

    def where(self, index: int) -> str:
        """What to call frame ``index`` in messages."""
        return f'frame {index} of {self.title}'


class FolderFrames(FrameSource):
    """The images of a folder in natural order: ``2.jpg`` comes before ``10.jpg``.

    Raises:
        DataFileError: there is no image, or two have the same name but for the suffix.
    """

    def __init__(self, folder: PathLike) -> None:
        folder = Path(folder)
        self.paths = sorted(
            (
                path
                for path in folder.iterdir()
                if path.suffix.lower() in _IMAGES and not path.name.startswith('.')
            ),
            key=lambda path: natural_key(path.name),
        )
        if not self.paths:
            raise DataFileError(
                f'folder {folder} has no frames: put images there '
                f'({", ".join(_IMAGES)}), or name the folder that has them'
            )
        self.title, self.names = folder.resolve().name, [path.stem for path in self.paths]
        twice, count = Counter(self.names).most_common(1)[0]
        if count > 1:
            raise DataFileError(
                f'folder {folder} has two images named {twice!r}: keep frames and '
                'masks in different folders'
            )

    def decode(self) -> Iterator[np.ndarray]:
        """The images as RGB arrays; raises DataFileError, which names a broken file."""
        load = LoadVideoFrame()
        for path in self.paths:
            yield _swapped(load.transform(dict(img_path=str(path)))['img'])

    def where(self, index: int) -> str:
        """The file's path."""
        return str(self.paths[index])


class ArrayFrames(FrameSource):
    """Frames in memory: an array (T, H0, W0, 3) or a sequence of arrays (H0, W0, 3), uint8 RGB.

    Raises:
        ValueError: there is no frame, or one is of another kind; says which.
    """

    def __init__(self, frames: Sequence[np.ndarray]) -> None:
        if len(frames) == 0:
            raise ValueError('there are no frames: give at least one array (H, W, 3) of uint8')
        for index, frame in enumerate(frames):
            if (
                not isinstance(frame, np.ndarray)
                or frame.dtype != np.uint8
                or frame.ndim != 3
                or frame.shape[2] != 3
                or frame.size == 0
            ):
                what = (
                    f'{frame.dtype} {frame.shape}'
                    if isinstance(frame, np.ndarray)
                    else type(frame).__name__
                )
                raise ValueError(
                    f'frame {index} is {what}: frames are RGB arrays (H, W, 3) of uint8'
                )
        self.frames, self.title = frames, 'video'
        self.names = [f'{index:05d}' for index in range(len(frames))]

    def decode(self) -> Iterator[np.ndarray]:
        """The arrays as they are."""
        return iter(self.frames)


class VideoFrames(FrameSource):
    """A video file (mp4, avi, gif, ...), by OpenCV; by PyAV what OpenCV cannot read.

    The file is decoded once to count the frames: containers often state a wrong number.

    Raises:
        DataFileError: neither reader gets a frame out of it.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self.title = self.path.stem
        self._read, count = _working_reader(self.path)
        self.names = [f'{index:05d}' for index in range(count)]
        self.fps = _frame_rate(self.path)

    def decode(self) -> Iterator[np.ndarray]:
        """The frames as RGB arrays."""
        return map(_swapped, self._read(self.path))


def open_frames(frames: FrameSource | PathLike | Sequence[np.ndarray]) -> FrameSource:
    """The frames of a folder, a video file, a list or an array.

    Args:
        frames: folder of images, video file, or T arrays (H0, W0, 3) uint8 RGB.

    Raises:
        FileNotFoundError: the path names nothing.
        DataFileError: folder without frames, unreadable video.
        ValueError: arrays of another kind.
    """
    if isinstance(frames, FrameSource):
        return frames
    if not isinstance(frames, (str, Path)):
        return ArrayFrames(frames)
    path = Path(frames).expanduser()
    if path.is_dir():
        return FolderFrames(path)
    if path.is_file():
        return VideoFrames(path)
    raise FileNotFoundError(f'{path} does not exist: give a folder of frames or a video file')


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sorting key that reads digits as numbers.

    >>> sorted(['f10.jpg', 'f9.jpg'], key=natural_key)
    ['f9.jpg', 'f10.jpg']
    """
    return [(int(part), '') if part.isdecimal() else (0, part) for part in re.split(r'(\d+)', name)]


def _working_reader(path: Path) -> tuple[Callable[[Path], Iterator[np.ndarray]], int]:
    """The first reader that gets frames out of the file, and how many."""
    for read in (READERS['opencv'], *([READERS['av']] if _has_av() else [])):
        count = sum(1 for _ in read(path))
        if count:
            return read, count
    hint = '' if _has_av() else ' or install PyAV, which reads more formats (pip install av)'
    raise DataFileError(
        f'{path} ({path.stat().st_size} bytes) has no video that can be read: it '
        f'is damaged, cut off or no video. Copy it again, convert it to mp4{hint}'
    )


def _has_av() -> bool:
    try:
        importlib.import_module('av')
    except ImportError:
        return False
    return True


def _frame_rate(path: Path) -> float | None:
    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return float(rate) if np.isfinite(rate) and rate > 0 else None


def _swapped(image: np.ndarray) -> np.ndarray:
    """BGR to RGB."""
    return np.ascontiguousarray(image[..., ::-1])
