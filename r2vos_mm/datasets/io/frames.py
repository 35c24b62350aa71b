"""Read folders of images, video files and arrays as sequences of RGB frames."""

import re
from abc import ABCMeta, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.files import PathLike, visible_names
from r2vos_mm.utils.images import IMAGE_SUFFIXES, decode_image, on_black, read_image

from .videos import decode_video, scan_video


class FrameStream(metaclass=ABCMeta):
    """Frames that come one after the other, whose number need not be known.

    Attributes:
        title: name of the video.
        fps: frames per second, None if unknown.
        problem: what is missing from a damaged video, None if nothing is.
        is_live: whether frames come at their own pace and without end, as from a camera.
    """

    title: str
    fps: float | None = None
    problem: str | None = None
    is_live = False

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield frames (H0, W0, 3) uint8 RGB, all of one size.

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
        """Yield frames (H0, W0, 3) uint8 RGB."""

    def where(self, index: int) -> str:
        """Return the name of frame ``index`` for messages."""
        return f'frame {index} of {self.title}'

    def every(self, stride: int) -> 'FrameStream':
        """Return the stream of each ``stride``-th frame, beginning with the first."""
        return self if stride == 1 else _StridedStream(self, stride)


class FrameSource(FrameStream):
    """The frames of one video; each iteration decodes them again and holds one at a time.

    Attributes:
        names: T names of the frames, all different.
        times: T times in seconds, None if unknown.
    """

    names: list[str]
    times: list[float] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def every(self, stride: int) -> 'FrameSource':
        """See the base class."""
        return self if stride == 1 else _StridedFrames(self, stride)


class _StridedStream(FrameStream):
    """Each ``stride``-th frame of a stream."""

    def __init__(self, source: FrameStream, stride: int) -> None:
        if stride < 1:
            raise ValueError(f'the stride of frames is at least 1, got {stride}')
        self.source, self.stride = source, stride
        self.title, self.problem, self.is_live = source.title, source.problem, source.is_live
        self.fps = source.fps and source.fps / stride

    def decode(self) -> Iterator[np.ndarray]:
        """See the base class."""
        return islice(self.source.decode(), 0, None, self.stride)

    def where(self, index: int) -> str:
        """See the base class."""
        return self.source.where(index * self.stride)


class _StridedFrames(_StridedStream, FrameSource):
    """Each ``stride``-th frame of a source."""

    def __init__(self, source: FrameSource, stride: int) -> None:
        super().__init__(source, stride)
        self.names = source.names[::stride]
        self.times = None if source.times is None else source.times[::stride]


class FileFrames(FrameSource):
    """Image files as the frames of one video, numbered if two have the same name; read on access.

    Args:
        paths: T image files.
        title: name of the video.
    """

    def __init__(self, paths: Sequence[PathLike], title: str = 'video') -> None:
        self.paths, self.title = [Path(path) for path in paths], title
        self.names = [path.stem for path in self.paths]
        if len(set(self.names)) < len(self.names):
            self.names = _numbers(len(self.paths))

    def __getitem__(self, index: int) -> np.ndarray:
        return to_rgb(read_image(self.paths[index])[0])

    def decode(self) -> Iterator[np.ndarray]:
        """See the base class."""
        return map(self.__getitem__, range(len(self)))

    def where(self, index: int) -> str:
        """See the base class."""
        return str(self.paths[index])


ImageFrames = FileFrames  # former name


class FolderFrames(FileFrames):
    """The images of a folder in natural order, ``2.jpg`` before ``10.jpg``; or a single image.

    Raises:
        DataFileError: there is no image, or two differ only in their suffix.
    """

    def __init__(self, folder: PathLike) -> None:
        folder = Path(folder)
        if not folder.is_dir():
            super().__init__([folder], folder.stem)
            return
        images = [n for n in visible_names(folder) if Path(n).suffix.lower() in IMAGE_SUFFIXES]
        paths = [folder / name for name in sorted(images, key=natural_key)]
        if not paths:
            kinds = ', '.join(IMAGE_SUFFIXES)
            raise DataFileError(
                f'folder {folder} has no frames: put images ({kinds}) there, or name another folder'
            )
        name, count = Counter(path.stem for path in paths).most_common(1)[0]
        if count > 1:
            what = f'folder {folder} has two images named {name!r}'
            raise DataFileError(f'{what}: keep frames and masks in different folders')
        super().__init__(paths, folder.resolve().name)


class ArrayFrames(FrameSource):
    """Frames in memory: an array (T, H0, W0, 3), or a sequence of what :func:`as_rgb` takes.

    Raises:
        ValueError: there is no frame, or one is of another kind.
    """

    def __init__(self, frames: Sequence[Any], title: str = 'video') -> None:
        if len(frames) == 0:
            raise ValueError('there are no frames: give at least one array (H, W, 3) of uint8')
        for index, frame in enumerate(frames):
            as_rgb(frame, f'frame {index}')
        self.frames, self.title = frames, title
        self.names = _numbers(len(frames))

    def decode(self) -> Iterator[np.ndarray]:
        """See the base class."""
        return rgb_frames(self.frames)


def rgb_frames(frames: Iterable[Any], *, of: str = '') -> Iterator[np.ndarray]:
    """Convert frames by :func:`as_rgb` one by one; errors name them ``frame 3`` and ``of``."""
    return (as_rgb(frame, f'frame {index}{of}') for index, frame in enumerate(frames))


def as_rgb(frame: Any, name: str = 'the frame') -> np.ndarray:
    """Return a frame as an array (H, W, 3) uint8 RGB.

    Args:
        frame: such an array, a PIL image, a tensor (3, H, W) of uint8 or of floats in [0, 1], or
            the bytes of an image file.
        name: its name in errors.

    Raises:
        ValueError: it is something else.
        DataFileError: the bytes are not an image.
    """
    if isinstance(frame, Image.Image):
        return np.asarray(on_black(ImageOps.exif_transpose(frame)))
    if isinstance(frame, bytes):
        try:
            return to_rgb(decode_image(frame))
        except OSError as error:
            raise DataFileError(f'{name} is not a complete image ({error})') from error
    array = _array_of(frame) if hasattr(frame, 'detach') else frame
    is_array = isinstance(array, np.ndarray)
    if not is_array or array.dtype != np.uint8 or array.shape[2:] != (3,) or array.size == 0:
        what = f'{frame.dtype} {tuple(frame.shape)}' if is_array else type(frame).__name__
        raise ValueError(f'{name} is {what}: frames are RGB arrays (H, W, 3) of uint8')
    return array


def _array_of(tensor: Any) -> np.ndarray:
    """Return a tensor (3, H, W) of uint8, or of floats in [0, 1], as an array (H, W, 3)."""
    array = tensor.detach().cpu().numpy()
    if array.ndim == 3 and array.shape[0] == 3:
        array = array.transpose(1, 2, 0)
    if array.dtype.kind == 'f' and array.size and array.min() >= 0 and array.max() <= 1:
        array = (array * 255).round().astype(np.uint8)
    return array


class VideoFrames(FrameSource):
    """A video file (mp4, avi, gif, ...), read by OpenCV, or by PyAV if OpenCV cannot.

    It is decoded once to count the frames, since files may state a wrong number; a varying ``fps``
    is averaged.

    Args:
        path: the file.
        max_frames: number of frames above which the file is refused; None takes any.

    Raises:
        DataFileError: no reader can decode a frame, or it has too many; the reason is stated.
    """

    def __init__(self, path: PathLike, max_frames: int | None = None) -> None:
        self.path = Path(path)
        self.title = self.path.stem
        scan = scan_video(self.path, max_frames)
        self.times, self.fps, self.problem = scan.times, scan.fps, scan.problem
        self.names = _numbers(len(scan.times))

    def decode(self) -> Iterator[np.ndarray]:
        """See the base class."""
        return (to_rgb(frame) for _, frame in decode_video(self.path))


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a sorting key that reads digits as numbers.

    >>> sorted(['f10.jpg', 'f9.jpg'], key=natural_key)
    ['f9.jpg', 'f10.jpg']
    """
    return [(int(part), '') if part.isdecimal() else (0, part) for part in re.split(r'(\d+)', name)]


def _numbers(count: int) -> list[str]:
    return [f'{index:05d}' for index in range(count)]


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Return a BGR image (H, W, 3) as RGB."""
    return np.ascontiguousarray(image[..., ::-1])
