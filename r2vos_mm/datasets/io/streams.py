"""Read frames that come once and in unknown number: cameras, networks, pipes and generators."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np

from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.files import PathLike
from r2vos_mm.utils.logging import warn

from .frames import FrameStream, rgb_frames, to_rgb
from .image_pipe import STARTS, ImagePipe
from .videos import captured_frames, decode_video, open_capture, shortage, stated_rate

_TIMEOUT = 10_000  # milliseconds to connect, and to wait for a frame
_LIMITS = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _TIMEOUT, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _TIMEOUT)


class IteratorFrames(FrameStream):
    """The frames of a generator or another iterable, each of a kind that :func:`as_rgb` takes."""

    def __init__(self, frames: Iterable[Any], title: str = 'video') -> None:
        self.frames, self.title = frames, title

    def decode(self) -> Iterator[np.ndarray]:
        """See the base class."""
        return rgb_frames(self.frames)


class PipedFrames(FrameStream):
    """Frames of a binary file without a name, such as standard input.

    They are consecutive JPEG, PNG or PPM images (``ffmpeg -i clip.mp4 -f image2pipe -c mjpeg -``),
    decoded as they arrive; or a video file, which is copied to a temporary file first.

    Args:
        file: binary file that need not be seekable.
        title: name of the video.
        name: its name in errors.
    """

    def __init__(self, file: BinaryIO, title: str = 'video', name: str = 'the file') -> None:
        self.file, self.title, self.name = file, title, name

    def decode(self) -> Iterator[np.ndarray]:
        """See the base class."""
        pipe = ImagePipe(self.file, self.name)
        start = pipe.start()
        if not start:
            raise DataFileError(f'{self.name} is empty: send JPEG, PNG or PPM images, or a video')
        if start.startswith(STARTS):
            yield from rgb_frames(pipe, of=f' of {self.name}')
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, 'video')
            with path.open('wb') as copy:
                pipe.copy_to(copy)
            try:
                yield from (to_rgb(frame) for _, frame in decode_video(path))
            except DataFileError as error:
                raise DataFileError(str(error).replace(str(path), self.name)) from error


class FileStream(FrameStream):
    """The frames of a video file, without counting them first as :class:`.frames.VideoFrames` does.

    What is missing from a damaged file is logged as a warning at the end.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self.title, self.fps = self.path.stem, stated_rate(self.path)

    def decode(self) -> Iterator[np.ndarray]:
        """See the base class."""
        times = []
        for time, frame in decode_video(self.path):
            times.append(time)
            yield to_rgb(frame)
        if problem := shortage(self.path, times):
            warn(f'{self.path}: {problem}')


class LiveFrames(FrameStream):
    """A camera or a network stream, read by OpenCV.

    Args:
        address: number of a camera, or an address such as ``rtsp://``.

    Raises:
        DataFileError: it cannot be opened.
    """

    is_live = True

    def __init__(self, address: int | str) -> None:
        is_camera = isinstance(address, int)
        self.title = f'camera_{address}' if is_camera else 'stream'
        self._name = f'camera {address}' if is_camera else str(address)
        options = () if is_camera else (cv2.CAP_FFMPEG, _LIMITS)
        self._capture = open_capture(address, *options)
        if not self._capture.isOpened():
            hint = 'is it connected, and free?' if is_camera else 'check address and network'
            raise DataFileError(f'{self._name} cannot be opened: {hint}')
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or None

    def decode(self) -> Iterator[np.ndarray]:
        """See the base class."""
        return map(to_rgb, captured_frames(self._capture))

    def where(self, index: int) -> str:
        """See the base class."""
        return f'frame {index} of {self._name}'
