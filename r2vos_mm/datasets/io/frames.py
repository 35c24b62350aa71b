"""Open folders of images, images, video files and arrays as sequences of RGB frames."""

import re
from abc import ABCMeta, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.files import PathLike, visible_names
from r2vos_mm.utils.images import IMAGE_SUFFIXES, read_image

from .videos import scan_video


class FrameSource(metaclass=ABCMeta):
    """The frames of one video; each iteration decodes them anew and holds one at a time.

    Attributes:
        title: name of the video.
        names: T names of the frames, all different.
        fps: frames per second, None if unknown.
        times: T times in seconds, None if unknown.
        problem: what is missing from a damaged video, None if nothing is.
    """

    title: str
    names: list[str]
    fps: float | None = None
    times: list[float] | None = None
    problem: str | None = None

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
    """The images of a folder in natural order, ``2.jpg`` before ``10.jpg``; or a single image.

    Raises:
        DataFileError: there is no image, or two differ only in their suffix.
    """

    def __init__(self, folder: PathLike) -> None:
        folder = Path(folder)
        if not folder.is_dir():
            self.paths, self.title, self.names = [folder], folder.stem, [folder.stem]
            return
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

    The file is decoded once to count the frames: containers often state a wrong number. ``fps`` is
    the mean rate if it varies.

    Raises:
        DataFileError: neither reader gets a frame out of it; tells the cause.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self.title = self.path.stem
        scan = scan_video(self.path)
        self._read, self.times = scan.read, scan.times
        self.fps, self.problem = scan.fps, scan.problem
        self.names = [f'{index:05d}' for index in range(len(scan.times))]

    def decode(self) -> Iterator[np.ndarray]:
        """See the base class."""
        return (_to_rgb(frame) for _, frame in self._read(self.path))


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
        frames: folder of images, video file, image, or T arrays (H0, W0, 3) uint8 RGB.

    Raises:
        FileNotFoundError: the path does not exist.
        DataFileError: the folder has no frames, or the file cannot be read.
        ValueError: the arrays are of another kind.
    """
    if isinstance(frames, FrameSource):
        return frames
    if not isinstance(frames, (str, Path)):
        return ArrayFrames(frames)
    path = Path(frames).expanduser()
    if not path.exists():
        raise FileNotFoundError(f'{path} does not exist: give a folder of frames or a video file')
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        return FolderFrames(path)
    return VideoFrames(path)


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sorting key that reads digits as numbers.

    >>> sorted(['f10.jpg', 'f9.jpg'], key=natural_key)
    ['f9.jpg', 'f10.jpg']
    """
    return [(int(part), '') if part.isdecimal() else (0, part) for part in re.split(r'(\d+)', name)]


def _to_rgb(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[..., ::-1])
