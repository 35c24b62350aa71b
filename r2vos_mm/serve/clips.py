"""Store uploaded and sample clips in a temporary folder of bounded size, with their pictures."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from r2vos_mm.apis.results.video_segmentation import DEFAULT_FPS
from r2vos_mm.datasets.io.frames import FolderFrames, FrameSource, VideoFrames
from r2vos_mm.datasets.io.videos import VIDEO_SUFFIXES
from r2vos_mm.engine.model_index import find_model
from r2vos_mm.utils.cli import UserError, one_line
from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.files import process_is_alive, read_json
from r2vos_mm.utils.images import IMAGE_SUFFIXES

PREFIX = 'r2vos-serve-'
LONGEST_NAME = 80  # characters of a title
LONGER_SIDE = 960  # pixels of the pictures that the page shows
JPEG_QUALITY = 88

_FOLDER = re.compile(re.escape(PREFIX) + r'(\d+)-')


class RefusedError(UserError, ValueError):
    """A request that is refused; the message is one line for the page.

    Attributes:
        code: HTTP status of the answer.
    """

    def __init__(self, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Limits:
    """Limits of the requests of one visitor.

    Attributes:
        upload_bytes: size of one upload.
        total_bytes: size of all clips together; the oldest are removed to make room.
        frames: frames of one clip.
        texts, text_length: expressions of one request, and characters of each.
        jobs: requests that wait or run at the same time.
        results: finished requests that are kept.
    """

    upload_bytes: int = 200 * 2**20
    total_bytes: int = 2 * 2**30
    frames: int = 900
    texts: int = 8
    text_length: int = 200
    jobs: int = 8
    results: int = 20


@dataclass(frozen=True)
class StoredClip:
    """A clip that can be segmented.

    Attributes:
        key: its name in addresses.
        title: its name for people.
        path: the video or image.
        source: its T frames at their full size.
        folder: folder of its pictures, ``0.jpg``, ``1.jpg``, ...
        size: height and width in pixels.
        texts: expressions to suggest.
        is_sample: whether it came with the package.
    """

    key: str
    title: str
    path: Path
    source: FrameSource
    folder: Path
    size: tuple[int, int]
    texts: Sequence[str] = ()
    is_sample: bool = False

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.source)

    @property
    def fps(self) -> float:
        """Return the frames per second."""
        return self.source.fps or DEFAULT_FPS


@dataclass
class ClipStore:
    """Clips in a temporary folder, which is removed by :meth:`close`.

    Args:
        limits: sizes and lengths.
        samples: clips that come with the package, see :func:`find_samples`.
    """

    limits: Limits = field(default_factory=Limits)
    samples: dict[str, tuple[Path, list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        remove_folders_of_dead_servers()
        self.root = Path(tempfile.mkdtemp(prefix=f'{PREFIX}{os.getpid()}-'))
        self._clips: dict[str, StoredClip] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Remove everything that was uploaded."""
        shutil.rmtree(self.root, ignore_errors=True)

    def __getitem__(self, key: str) -> StoredClip:
        """Return a clip.

        Raises:
            RefusedError: there is none, or it was removed to make room.
        """
        clip = self._clips.get(key)
        if clip is None:
            raise RefusedError('this clip has been removed: upload or choose it again', 404)
        return clip

    def picture(self, key: str, index: int) -> Path:
        """Return the picture of one frame.

        Raises:
            RefusedError: there is no such clip or frame.
        """
        clip = self[key]
        if not 0 <= index < len(clip):
            raise RefusedError(f'frame {index} does not exist', 404)
        return clip.folder / f'{index}.jpg'

    @contextmanager
    def receiving(self, name: str) -> Iterator[Path]:
        """Yield a new file for the content of an upload; it is removed if the block raises.

        Args:
            name: name of the uploaded file. Only its suffix is used.

        Raises:
            RefusedError: it is not the name of a video or image.
        """
        suffix = Path(name).suffix.lower()
        if suffix not in VIDEO_SUFFIXES + IMAGE_SUFFIXES:
            known = ' '.join(kind[1:] for kind in VIDEO_SUFFIXES + IMAGE_SUFFIXES)
            raise RefusedError(f'{title_of(name)} is not a video or an image ({known})', 415)
        folder = self.root / secrets.token_hex(8)
        folder.mkdir()
        try:
            yield folder / f'upload{suffix}'
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def add_upload(self, path: Path, name: str, *, keep: Collection[str] = ()) -> StoredClip:
        """Make a clip of a file of :meth:`receiving`.

        Args:
            path: the complete file.
            name: name that the visitor knows it by.
            keep: keys of clips that must not be removed to make room.

        Raises:
            RefusedError: it cannot be read, is too long, or there is no room for it.
        """
        clip = self._prepare(path.parent.name, path, title=title_of(name))
        self._make_room(keep=[*keep, clip.key])
        return clip

    def open_sample(self, name: str, *, keep: Collection[str] = ()) -> StoredClip:
        """Return the clip of a sample.

        Raises:
            RefusedError: there is none of this name.
        """
        if name not in self.samples:
            raise RefusedError(f'there is no sample clip {title_of(name)}', 404)
        path, texts = self.samples[name]
        with self._lock:
            for clip in self._clips.values():
                if clip.path == path:
                    return clip
            key = secrets.token_hex(8)
            (self.root / key).mkdir()
            clip = self._prepare(key, path, title=name, texts=texts, is_sample=True)
        self._make_room(keep=[*keep, clip.key])
        return clip

    def _prepare(self, key: str, path: Path, *, title: str, **fields: object) -> StoredClip:
        """Decode a clip once, store its pictures, and remember it."""
        folder = self.root / key / 'pictures'
        try:
            is_image = path.suffix.lower() in IMAGE_SUFFIXES
            limit = self.limits.frames
            source = FolderFrames(path) if is_image else VideoFrames(path, max_frames=limit)
            size = write_pictures(source, folder)
        except DataFileError as error:
            message = one_line(error).replace(str(path), title)
            raise RefusedError(message, 422) from error
        clip = StoredClip(key, title, path, source, folder, size, **fields)
        self._clips[key] = clip
        return clip

    def _make_room(self, *, keep: Collection[str]) -> None:
        """Remove the oldest clips until all together are within the limit."""
        with self._lock:
            sizes = {key: folder_bytes(self.root / key) for key in self._clips}
            excess = sum(sizes.values()) - self.limits.total_bytes
            for key in [key for key in self._clips if key not in keep]:
                if excess <= 0:
                    return
                del self._clips[key]
                shutil.rmtree(self.root / key, ignore_errors=True)
                excess -= sizes[key]


def write_pictures(frames: Iterable[np.ndarray], folder: Path) -> tuple[int, int]:
    """Write frames as ``0.jpg``, ``1.jpg``, ... and return their full size (H, W).

    Frames with a longer side of more than :data:`LONGER_SIDE` are made smaller.
    """
    folder.mkdir()
    for index, frame in enumerate(frames):
        size = frame.shape[:2]
        scale = min(1.0, LONGER_SIDE / max(size))
        if scale < 1:
            small = [max(1, round(side * scale)) for side in size]
            frame = cv2.resize(frame, small[::-1], interpolation=cv2.INTER_AREA)
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        _, content = cv2.imencode('.jpg', frame[..., ::-1], options)
        (folder / f'{index}.jpg').write_bytes(content.tobytes())
    return size


def folder_bytes(folder: Path) -> int:
    """Return the size of all files of a folder and its sub-folders."""
    return sum(path.stat().st_size for path in folder.rglob('*') if path.is_file())


def title_of(name: str) -> str:
    """Return a name to show for an uploaded file: the last part of its path, shortened.

    >>> title_of('C:\\\\clips\\\\my dog.mp4'), title_of('../../etc/pass\\nwd')
    ('my dog.mp4', 'pass wd')
    """
    last = name.replace('\\', '/').rpartition('/')[2]
    printable = ''.join(char if char.isprintable() else ' ' for char in last).strip()
    if len(printable) > LONGEST_NAME:
        stem, suffix = os.path.splitext(printable)
        printable = stem[: LONGEST_NAME - len(suffix) - 1] + '…' + suffix[:LONGEST_NAME]
    return printable or 'clip'


def find_samples(folder: Path, config: Path | None = None) -> dict[str, tuple[Path, list[str]]]:
    """Return the sample clips of a folder and their expressions, by name.

    Each ``NAME.json`` names a ``video`` beside it, expressions that are ``present`` and ``absent``,
    and the ``model`` that knows such videos. With a config, clips for other models are skipped.
    """
    found = {}
    for path in sorted(folder.glob('*.json')):
        content = read_json(path)
        video, model = folder / content['video'], find_model(content.get('model', ''))
        if video.is_file() and (None in (config, model) or config == model.config):
            found[path.stem] = (video, [*content['present'], *content['absent']])
    return found


def remove_folders_of_dead_servers() -> None:
    """Remove folders that servers of this user left when they were killed."""
    for path in Path(tempfile.gettempdir()).glob(f'{PREFIX}*'):
        found = _FOLDER.match(path.name)
        with suppress(OSError):
            is_own = found and not path.is_symlink() and path.stat().st_uid == os.getuid()
            if is_own and not process_is_alive(int(found[1])):
                shutil.rmtree(path, ignore_errors=True)
