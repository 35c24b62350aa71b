"""Frames of video files: one decoding function, with a reader chosen by config."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from r2vos_mm.registry import TRANSFORMS
from r2vos_mm.utils.data_issues import DataFileError


def decode_frames(
    path: Path, indices: Sequence[int], *, backend: str = 'opencv'
) -> list[np.ndarray]:
    """Frames of a video file.

    The file is decoded from its start: seeking lands on other frames in many files. An index
    behind the last frame gives the last one, since containers often state too many.

    Args:
        path: video file.
        indices: T indices from 0, in any order.
        backend: ``'opencv'``, ``'av'`` (needs PyAV) or ``'decord'`` (needs decord).

    Returns:
        T frames (H, W, 3) uint8 BGR, in the order of ``indices``.

    Raises:
        DataFileError: if the file is missing, or no frame can be read.
        ImportError: if the backend is not installed.
        ValueError: if there is no such backend.
    """
    if backend not in READERS:
        raise ValueError(
            f'unknown backend {backend!r} for video files; there are {", ".join(READERS)}'
        )
    if not path.is_file():
        raise DataFileError(f'cannot read {path}: put the video there, or take it from the list')
    wanted, frames, last = set(indices), {}, None
    for index, frame in enumerate(READERS[backend](path)):
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
    av = _module('av', 'av')
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format='bgr24')
    except (av.FFmpegError, IndexError):  # IndexError: a container without a video stream
        return


def _read_decord(path: Path) -> Iterator[np.ndarray]:
    decord = _module('decord', 'decord')
    try:
        reader = decord.VideoReader(str(path))
    except (decord.DECORDError, RuntimeError):
        return
    for index in range(len(reader)):
        yield np.ascontiguousarray(reader[index].asnumpy()[..., ::-1])


READERS: dict[str, Callable[[Path], Iterator[np.ndarray]]] = dict(
    opencv=_read_opencv, av=_read_av, decord=_read_decord
)
"""Readers of video files: path to frames (H, W, 3) uint8 BGR, none where they cannot read it."""


def _module(name: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"backend='{name}' needs a package that is not installed: pip install "
            f"{package}, or use backend='opencv'"
        ) from error


@TRANSFORMS.register_module()
class DecodeVideoFrames(BaseTransform):
    """Decodes the T frames of a clip from a video file, in one go.

    Stands before the broadcasters, where clips of image files have ``LoadVideoFrame`` in one.

    Required keys: ``video_path`` and ``video_frames`` (T indices from 0). Added keys, lists over
    the frames: ``img`` (H, W, 3) uint8 BGR, ``img_shape`` and ``ori_shape`` (H, W).

    Args:
        backend: see :func:`decode_frames`.

    Raises:
        DataFileError, ImportError, ValueError: see :func:`decode_frames`.
    """

    def __init__(self, *, backend: str = 'opencv') -> None:
        if backend not in READERS:
            raise ValueError(
                f'unknown backend {backend!r} for video files; there are {", ".join(READERS)}'
            )
        self.backend = backend

    def transform(self, results: dict) -> dict:
        """Decodes ``video_frames`` of ``video_path``."""
        # They are for the whole clip: no broadcaster may take them for lists over the frames.
        path, indices = Path(results.pop('video_path')), results.pop('video_frames')
        results['img'] = decode_frames(path, indices, backend=self.backend)
        results['img_shape'] = [image.shape[:2] for image in results['img']]
        results['ori_shape'] = list(results['img_shape'])
        return results
