"""Open the frames of a video: folders, files, addresses, cameras, pipes, arrays, iterables."""

import glob
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from PIL import Image

from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.files import PathLike, is_side_file
from r2vos_mm.utils.images import IMAGE_SUFFIXES
from r2vos_mm.utils.weights import ADDRESSES, WeightsError, local_weights

from .frames import (
    ArrayFrames,
    FileFrames,
    FolderFrames,
    FrameSource,
    FrameStream,
    VideoFrames,
    natural_key,
)
from .streams import FileStream, IteratorFrames, LiveFrames, PipedFrames
from .videos import stated_frames

STANDARD_INPUT = '-'
LIVE_SCHEMES = ('rtsp', 'rtsps', 'rtmp', 'rtp', 'udp', 'tcp', 'srt')
_LIVE_SUFFIXES = ('.m3u8', '.mjpg', '.mjpeg')

FrameInput = FrameStream | PathLike | int | Sequence[Any] | Iterable[Any] | Any
"""Argument of :func:`open_source`."""


def open_frames(frames: FrameInput) -> FrameSource:
    """Open the frames of a video whose end is known.

    Args:
        frames: as of :func:`open_source`, but not live; pipes and generators are read as a whole.

    Raises:
        ValueError: the frames have no end.
        FileNotFoundError, DataFileError, ValueError: see :func:`open_source`.
    """
    source = open_source(frames)
    if isinstance(source, FrameSource):
        return source
    if source.is_live:
        raise ValueError(f'{source.title} has no end: segment it with R2VOSInferencer.stream')
    return ArrayFrames(list(source), source.title)


def open_source(frames: FrameInput) -> FrameStream:
    """Open the frames of one video.

    Args:
        frames: one of

            * folder of images, in natural order; image; video file; glob pattern of images;
            * ``http://`` or ``https://`` address of an image or a video, which is downloaded;
            * ``rtsp://`` or another network stream; number of a camera, ``0`` or ``'0'``;
            * ``'-'``: standard input, see :class:`.streams.PipedFrames`; or a binary file;
            * PIL image; array (H0, W0, 3) or (T, H0, W0, 3) of uint8 RGB; tensor (3, H0, W0) or
              (T, 3, H0, W0) of uint8 or of floats in [0, 1];
            * list of image files, or of images of the kinds above;
            * generator or another iterable of such images.

    Returns:
        A :class:`FrameSource` if the number of frames is known, else a :class:`FrameStream`.

    Raises:
        FileNotFoundError: the path does not exist, or nothing matches the pattern.
        DataFileError: a folder has no frames, or a file, address or camera cannot be read.
        ValueError: it is of another kind, or there are several videos.
    """
    if isinstance(frames, FrameStream):
        return frames
    if isinstance(frames, int) and not isinstance(frames, bool):
        return LiveFrames(frames)
    if isinstance(frames, (str, Path)):
        return _open_name(str(frames))
    if isinstance(frames, Image.Image):
        return ArrayFrames([frames], Path(getattr(frames, 'filename', '')).stem or 'image')
    if hasattr(frames, 'shape'):
        return ArrayFrames([frames] if len(frames.shape) == 3 else frames)
    if hasattr(frames, 'read'):
        return PipedFrames(frames)
    if isinstance(frames, (bytes, Mapping)) or not isinstance(frames, Iterable):
        raise ValueError(
            f'frames are {type(frames).__name__}: give a folder, a file, an address, the number '
            'of a camera, images or an iterable of images'
        )
    if not (hasattr(frames, '__len__') and hasattr(frames, '__getitem__')):
        return IteratorFrames(frames)
    return _open_list(frames)


def open_stream(frames: FrameInput) -> FrameStream:
    """Open the frames of one video to be read once, without counting them; see `open_source`."""
    if isinstance(frames, (str, Path)):
        path = Path(frames).expanduser()
        if path.is_file() and path.suffix.lower() not in IMAGE_SUFFIXES:
            return FileStream(path)
    return open_source(frames)


def stated_length(name: str) -> int | None:
    """Return the number of frames of a folder, or that a video file states; None if unknown."""
    try:
        if '://' in name:
            return None
        path = Path(name).expanduser()
        if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
            return len(FolderFrames(path))
        return stated_frames(path)
    except (OSError, DataFileError):
        return None


def open_sources(inputs: FrameInput) -> list[FrameStream]:
    """Open one or several videos.

    Args:
        inputs: as of :func:`open_source`; or a list of videos, or a pattern that matches several.

    Raises:
        FileNotFoundError, DataFileError, ValueError: see :func:`open_source`; or images and videos
            are mixed.
    """
    is_name = isinstance(inputs, (str, Path))
    items = _matches(str(inputs)) if is_name and _is_pattern(str(inputs)) else inputs
    if not isinstance(items, (list, tuple)):
        return [open_source(items)]
    images = sum(map(_is_image, items))
    if images == len(items):
        return [open_source(items)]
    if images:
        raise ValueError(
            f'{images} of {len(items)} inputs are images, the others videos: give the frames of '
            'one video, or several videos'
        )
    return [open_source(item) for item in items]


def _open_name(name: str) -> FrameStream:
    """Open what a string names."""
    scheme, suffix = urlparse(name).scheme, Path(urlparse(name).path).suffix.lower()
    if name == STANDARD_INPUT:
        return PipedFrames(sys.stdin.buffer, 'stdin', 'standard input')
    if name.startswith(ADDRESSES) and suffix not in _LIVE_SUFFIXES:
        return _open_address(name)
    if scheme in LIVE_SCHEMES or name.startswith(ADDRESSES):
        return LiveFrames(name)
    if name.startswith('file://'):
        return _open_path(Path(unquote(urlparse(name).path)))
    if '://' in name:
        known = ('file', 'http', 'https', *LIVE_SCHEMES)
        raise ValueError(f'{name}: addresses begin with {", ".join(known)}')
    if _is_pattern(name):
        return open_source(_matches(name))
    path = Path(name).expanduser()
    return LiveFrames(int(name)) if name.isdecimal() and not path.exists() else _open_path(path)


def _open_path(path: Path) -> FrameSource:
    if not path.exists():
        raise FileNotFoundError(f'{path} does not exist: give a folder of frames or a video file')
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        return FolderFrames(path)
    return VideoFrames(path)


def _open_address(address: str) -> FrameSource:
    """Download a file, which is removed once the frames are no longer used."""
    if not Path(urlparse(address).path).name:
        raise ValueError(f'{address} names no file: give the address of an image or a video')
    folder = tempfile.TemporaryDirectory(prefix='r2vos_')
    try:
        source = _open_path(local_weights(address, folder=folder.name))
    except WeightsError as error:
        raise DataFileError(str(error).replace(folder.name, '...')) from error
    source.temporary_folder = folder
    return source


def _open_list(frames: Sequence[Any]) -> FrameSource:
    names = [isinstance(frame, (str, Path)) for frame in frames]
    if not any(names):
        return ArrayFrames(frames)
    if len(frames) == 1:
        return open_source(frames[0])
    for index, frame in enumerate(frames):
        if not _is_image(frame) or '://' in str(frame):
            raise ValueError(
                f'frame {index} of {len(frames)} is {str(frame)!r}: list the images of one video'
            )
    if not all(names):
        raise ValueError('a list holds files or images, not both')
    for frame in frames:
        if not Path(frame).exists():
            raise FileNotFoundError(f'{frame} does not exist: give image files')
    return FileFrames(frames, Path(frames[0]).resolve().parent.name)


def _is_image(item: Any) -> bool:
    """Return whether an item of a list is an image, not a video."""
    if isinstance(item, (str, Path)):
        return Path(item).suffix.lower() in IMAGE_SUFFIXES and not Path(item).is_dir()
    if hasattr(item, 'shape'):
        return len(item.shape) <= 3
    return isinstance(item, (Image.Image, bytes))


def _is_pattern(name: str) -> bool:
    return glob.has_magic(name) and '://' not in name and not Path(name).expanduser().exists()


def _matches(pattern: str) -> list[str]:
    """Return the paths that match a pattern, in natural order."""
    found = glob.glob(str(Path(pattern).expanduser()), recursive=True)
    found = sorted((name for name in found if not is_side_file(name)), key=natural_key)
    if not found:
        raise FileNotFoundError(f'nothing matches {pattern}: give a pattern of images or videos')
    return found
