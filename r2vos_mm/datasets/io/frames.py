"""Decode the frames of image files, folders, video files and arrays."""

import importlib
import re
from abc import ABCMeta, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np

from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.files import PathLike, visible_names
from r2vos_mm.utils.images import IMAGE_SUFFIXES, read_image


def decode_frames(
    path: Path, indices: Sequence[int], *, backend: str = 'opencv'
) -> list[np.ndarray]:
    """Return frames of a video file.

    The file is decoded from its start: seeking is inexact in many files. An index after the last
    frame gives the last one, since containers often state too many.

    Args:
        path: video file.
        indices: T indices from 0, in any order.
        backend: ``'opencv'``, ``'av'`` (needs PyAV) or ``'decord'`` (needs decord).

    Returns:
        T frames (H, W, 3) uint8 BGR, in the order of ``indices``.

    Raises:
        DataFileError: the file is missing, or no frame can be read.
        ImportError: the backend is not installed.
        ValueError: the backend is unknown.
    """
    read = reader_named(backend)
    if not path.is_file():
        raise DataFileError(f'cannot read {path}: put the video there, or take it from the list')
    wanted, frames, last = set(indices), {}, None
    for index, frame in enumerate(read(path)):
        last = frame
        if index in wanted:
            frames[index] = frame
        if index >= max(wanted):
            break
    if last is None:
        raise DataFileError(
            f'{path} ({path.stat().st_size} bytes) has no video that {backend} can '
            'read: copy it again, or convert it to mp4'
        )
    return [frames.get(index, last) for index in indices]


def _read_opencv(path: Path) -> Iterator[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    try:
        while True:
            read, frame = capture.read()
            if not read:
                return
            yield frame
    finally:
        capture.release()


def _read_av(path: Path) -> Iterator[np.ndarray]:
    av = _module('av')
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format='bgr24')
    except (av.FFmpegError, IndexError):  # IndexError: a container without a video stream
        return


def _read_decord(path: Path) -> Iterator[np.ndarray]:
    decord = _module('decord')
    try:
        reader = decord.VideoReader(str(path))
    except (decord.DECORDError, RuntimeError):
        return
    for index in range(len(reader)):
        yield np.ascontiguousarray(reader[index].asnumpy()[..., ::-1])


Reader = Callable[[Path], Iterator[np.ndarray]]
READERS: dict[str, Reader] = dict(opencv=_read_opencv, av=_read_av, decord=_read_decord)
"""Readers of video files: path to frames (H, W, 3) uint8 BGR, none where they cannot read it."""


def reader_named(backend: str) -> Reader:
    """Return a reader of video files.

    Raises:
        ValueError: there is none of that name.
    """
    if backend not in READERS:
        raise ValueError(
            f'unknown backend {backend!r} for video files; there are {", ".join(READERS)}'
        )
    return READERS[backend]


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"backend='{name}' needs a package that is not installed: pip install {name}, or use "
            "backend='opencv'"
        ) from error


class FrameSource(metaclass=ABCMeta):
    """The frames of one video; each iteration decodes them anew and holds one at a time.

    Attributes:
        title: name of the video.
        names: T names of the frames, all different.
        fps: frames per second, None if unknown.
    """

    title: str
    names: list[str]
    fps: float | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield T frames (H0, W0, 3) uint8 RGB, all of one size.

        Raises:
            DataFileError: a frame is broken or differs in size from the first.
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
        """Yield T frames (H0, W0, 3) uint8 RGB."""

    def where(self, index: int) -> str:
        """Return the name of frame ``index`` for messages."""
        return f'frame {index} of {self.title}'


class FolderFrames(FrameSource):
    """The images of a folder in natural order: ``2.jpg`` comes before ``10.jpg``.

    Raises:
        DataFileError: there is no image, or two differ only in their suffix.
    """

    def __init__(self, folder: PathLike) -> None:
        folder = Path(folder)
        images = [n for n in visible_names(folder) if Path(n).suffix.lower() in IMAGE_SUFFIXES]
        self.paths = [folder / name for name in sorted(images, key=natural_key)]
        if not self.paths:
            raise DataFileError(
                f'folder {folder} has no frames: put images there '
                f'({", ".join(IMAGE_SUFFIXES)}), or name the folder that has them'
            )
        self.title, self.names = folder.resolve().name, [path.stem for path in self.paths]
        twice, count = Counter(self.names).most_common(1)[0]
        if count > 1:
            raise DataFileError(
                f'folder {folder} has two images named {twice!r}: keep frames and '
                'masks in different folders'
            )

    def decode(self) -> Iterator[np.ndarray]:
        """See the base class."""
        return (_to_rgb(read_image(path)[0]) for path in self.paths)

    def where(self, index: int) -> str:
        """See the base class."""
        return str(self.paths[index])


class ArrayFrames(FrameSource):
    """Frames in memory: an array (T, H0, W0, 3) or a sequence of arrays (H0, W0, 3), uint8 RGB.

    Raises:
        ValueError: there is no frame, or one is of another kind.
    """

    def __init__(self, frames: Sequence[np.ndarray]) -> None:
        if len(frames) == 0:
            raise ValueError('there are no frames: give at least one array (H, W, 3) of uint8')
        for index, frame in enumerate(frames):
            is_array = isinstance(frame, np.ndarray)
            if (
                not is_array
                or frame.dtype != np.uint8
                or frame.shape[2:] != (3,)
                or frame.size == 0
            ):
                what = f'{frame.dtype} {frame.shape}' if is_array else type(frame).__name__
                raise ValueError(
                    f'frame {index} is {what}: frames are RGB arrays (H, W, 3) of uint8'
                )
        self.frames, self.title = frames, 'video'
        self.names = [f'{index:05d}' for index in range(len(frames))]

    def decode(self) -> Iterator[np.ndarray]:
        """See the base class."""
        return iter(self.frames)


class VideoFrames(FrameSource):
    """A video file (mp4, avi, gif, ...), read by OpenCV, or by PyAV if OpenCV cannot.

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
        """See the base class."""
        return map(_to_rgb, self._read(self.path))


class ImageFrames(Sequence):
    """Image files as a sequence of RGB arrays (H, W, 3) uint8, read on access.

    An index raises DataFileError if the file is missing, no image or truncated.
    """

    def __init__(self, paths: Sequence[PathLike]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> np.ndarray:
        return _to_rgb(read_image(self.paths[index])[0])


def open_frames(frames: FrameSource | PathLike | Sequence[np.ndarray]) -> FrameSource:
    """Open the frames of a folder, a video file, a list or an array.

    Args:
        frames: folder of images, video file, or T arrays (H0, W0, 3) uint8 RGB.

    Raises:
        FileNotFoundError: the path does not exist.
        DataFileError: the folder has no frames, or the video cannot be read.
        ValueError: the arrays are of another kind.
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
    """Return a sorting key that reads digits as numbers.

    >>> sorted(['f10.jpg', 'f9.jpg'], key=natural_key)
    ['f9.jpg', 'f10.jpg']
    """
    return [(int(part), '') if part.isdecimal() else (0, part) for part in re.split(r'(\d+)', name)]


def _working_reader(path: Path) -> tuple[Reader, int]:
    """Return the first reader that gets frames out of the file, and their number."""
    hint = ''
    for backend in ('opencv', 'av'):
        try:
            count = sum(1 for _ in READERS[backend](path))
        except ImportError:
            hint = ' or install PyAV, which reads more formats (pip install av)'
            continue
        if count:
            return READERS[backend], count
    raise DataFileError(
        f'{path} ({path.stat().st_size} bytes) has no video that can be read: it '
        f'is damaged, cut off or no video. Copy it again, convert it to mp4{hint}'
    )


def _frame_rate(path: Path) -> float | None:
    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return float(rate) if np.isfinite(rate) and rate > 0 else None


def _to_rgb(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[..., ::-1])
