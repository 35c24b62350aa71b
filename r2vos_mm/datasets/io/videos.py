"""Decode video files upright with OpenCV, PyAV or decord, and explain why one cannot be read."""

import os
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import cv2
import numpy as np

from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.files import check_regular
from r2vos_mm.utils.images import MAX_PIXELS
from r2vos_mm.utils.lazy import import_extra

VIDEO_SUFFIXES = ('.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm', '.gif', '.mpg', '.mpeg', '.ts')

_CODECS = dict(
    av01='AV1', hevc='HEVC', hev1='HEVC', hvc1='HEVC', vp09='VP9', encv='encv (encrypted)'
)
_ALPHA_FORMATS = (b'ARGB', b'RGBA', b'ABGR', b'BGRA')
# First bytes, in lower case, of files that are often mistaken for videos.
_ARCHIVE, _SOUND = 'archive: unpack it, which may need a password', 'a sound file without video'
_OTHER_FILES = {
    b'pk\3\4': f'a zip {_ARCHIVE}',
    b'7z\xbc\xaf': f'a 7z {_ARCHIVE}',
    b'rar!': f'a rar {_ARCHIVE}',
    b'%pdf': 'a PDF document',
    b'id3': _SOUND,
    b'flac': _SOUND,
    b'wave': _SOUND,
    b'<': 'a web page or XML: the download gave it instead of the file',
}

_MAX_INDEX = 2**28  # bytes
_TRIMMED = 0.02  # seconds, less than a frame

TimedFrame = tuple[float, np.ndarray]
Reader = Callable[[Path], Iterator[TimedFrame]]


@dataclass(frozen=True)
class VideoScan:
    """Result of decoding a whole video.

    Attributes:
        times: T times of its frames in seconds, the first one 0.
        fps: frames per second, None if unknown.
        problem: what is missing from its frames, None if nothing is.
    """

    times: list[float]
    fps: float | None
    problem: str | None


class _Header(NamedTuple):
    """Properties that a file states; zeros where OpenCV cannot open it."""

    frames: int
    fps: float
    pixels: int  # of a frame
    turn: float  # clockwise angle in degrees by which frames are shown
    codec: str  # code of four letters
    has_alpha: bool
    index: bytes | None  # that of an mp4 or mov file, empty if it is missing; None for others
    has_video: bool  # whether the index has a video track
    mirror: int | None  # axis along which turned frames are mirrored
    seconds: float  # duration of what is shown
    is_trimmed: bool  # whether the edit list of an mp4 file shows less than it contains
    is_stream: bool  # whether it is an MPEG transport stream


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
        DataFileError: the file is missing, no frame can be read, or it is cut off before an index.
        ImportError: the backend is not installed.
        ValueError: the backend is unknown.
    """
    read = reader_named(backend)
    _check_file(path)
    wanted, frames, last, times = set(indices), {}, None, []
    for index, (time, frame) in enumerate(read(path)):
        last = frame
        times.append(time)
        if index in wanted:
            frames[index] = frame
        if index >= max(wanted):
            break
    if last is None:
        raise _no_video(path, f'that {backend} can read')
    problem = shortage(path, times) if len(frames) < len(wanted) else None
    if problem:
        raise DataFileError(f'{path}: {problem}; frame {max(wanted)} is needed')
    return [frames.get(index, last) for index in indices]


def scan_video(path: Path, max_frames: int | None = None) -> VideoScan:
    """Decode a whole video with OpenCV, or with PyAV if OpenCV cannot.

    Args:
        path: video file.
        max_frames: number of frames after which decoding stops with an error.

    Raises:
        DataFileError: no reader can decode a frame, or it has too many; the reason is stated.
    """
    stop = None if max_frames is None else max_frames + 1
    times = [time for time, _ in islice(decode_video(path), stop)]
    if len(times) == stop:
        raise DataFileError(f'{path} has more than {max_frames} frames: cut it')
    return VideoScan(times, _rate(path, times), shortage(path, times))


def decode_video(path: Path) -> Iterator[TimedFrame]:
    """Yield times and frames (H, W, 3) uint8 BGR by OpenCV, or by PyAV if OpenCV gives none.

    Raises:
        DataFileError: no reader can decode a frame; the reason is stated.
    """
    _check_file(path)
    for backend in ('opencv', 'av') if _is_installed('av') else ('opencv',):
        is_decoded = False
        for timed_frame in reader_named(backend)(path):
            is_decoded = True
            yield timed_frame
        if is_decoded:
            return
    raise _no_video(path, 'that can be read')


def stated_rate(path: Path) -> float | None:
    """Return the frames per second that a video file states."""
    return _header(path).fps or None


def stated_frames(path: Path) -> int | None:
    """Return the number of frames that a video file states, which may be wrong."""
    return _header(path).frames or None


def reader_named(backend: str) -> Reader:
    """Return a reader of video files: path to (time in seconds, frame (H, W, 3) uint8 BGR).

    It yields nothing where it cannot read the file.

    Raises:
        ValueError: there is none of that name.
    """
    if backend not in _READERS:
        raise ValueError(
            f'unknown backend {backend!r} for video files; there are {", ".join(_READERS)}'
        )
    return partial(_mirrored, _READERS[backend])


def _mirrored(read: Reader, path: Path) -> Iterator[TimedFrame]:
    """Mirror the frames if the file requests it, since all readers only rotate them."""
    axis = _header(path).mirror
    for time, frame in read(path):
        yield time, frame if axis is None else np.ascontiguousarray(np.flip(frame, axis))


def _read_opencv(path: Path) -> Iterator[TimedFrame]:
    if _header(path).has_alpha and _is_installed('av'):
        yield from _read_av(path)  # OpenCV shows the colours of transparent parts
        return
    capture, start = _capture(path), None
    for frame in captured_frames(capture):
        time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        start = time if start is None else start
        yield time - start, frame


def captured_frames(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    """Yield the frames (H, W, 3) uint8 BGR of a capture up to its end, then release it."""
    try:
        while True:
            is_read, frame = capture.read()
            if not is_read:
                return
            yield frame
    finally:
        capture.release()


def _read_av(path: Path) -> Iterator[TimedFrame]:
    av, start = _module('av'), None
    header = _header(path)
    quarters = 0 if header.turn % 90 else int(header.turn // 90)  # other angles are ignored
    try:
        with av.open(str(path), metadata_errors='replace') as container:
            for frame in container.decode(video=0):
                start = frame.time if start is None else start
                image = frame.to_ndarray(format='bgra' if header.has_alpha else 'bgr24')
                # PyAV gives frames as they are stored.
                image = np.rot90(_on_black(image), -quarters)
                yield (frame.time or 0) - (start or 0), np.ascontiguousarray(image)
    except (av.FFmpegError, IndexError):  # IndexError: a container without a video stream
        return  # at the first broken frame, as OpenCV does


def _on_black(pixels: np.ndarray) -> np.ndarray:
    if pixels.shape[-1] == 3:
        return pixels
    return (pixels[..., :3] * (pixels[..., 3:] / np.float32(255)) + 0.5).astype(np.uint8)


def _read_decord(path: Path) -> Iterator[TimedFrame]:
    decord, header = _module('decord'), _header(path)
    if header.is_trimmed or header.has_alpha or header.is_stream or header.turn:
        # decord ignores edit lists and transparency, mixes up frames of transport streams, and
        # breaks the rows of turned frames of some widths.
        yield from _read_opencv(path)
        return
    index = 0
    try:
        reader = decord.VideoReader(str(path))
        start = None
        for index in range(len(reader)):
            frame, time = reader[index].asnumpy(), float(reader.get_frame_timestamp(index)[0])
            start = time if start is None else start
            yield time - start, np.ascontiguousarray(frame[..., ::-1])
    except (decord.DECORDError, RuntimeError):
        # decord's threads end before the first broken frame.
        yield from islice(_read_opencv(path), index, None)


_READERS: dict[str, Reader] = dict(opencv=_read_opencv, av=_read_av, decord=_read_decord)


def _module(name: str) -> ModuleType:
    return import_extra(name, dict(av='video').get(name, name))


def _is_installed(name: str) -> bool:
    try:
        return bool(_module(name))
    except ImportError:
        return False


def installed_readers() -> dict[str, str]:
    """Return the versions of the installed readers by their names, see :func:`reader_named`."""
    modules = dict.fromkeys(_READERS) | {'opencv': cv2}
    for name in filter(_is_installed, ('av', 'decord')):
        modules[name] = _module(name)
    return {name: module.__version__ for name, module in modules.items() if module is not None}


def _check_file(path: Path) -> None:
    try:
        check_regular(path)
        pixels = _header(path).pixels
    except OSError as error:
        raise DataFileError(
            f'cannot read {path} ({error}): put the video there, or take it from the list'
        ) from error
    if pixels > MAX_PIXELS:
        raise DataFileError(
            f'{path} has frames of {pixels:,} pixels, more than {MAX_PIXELS:,}; set '
            'R2VOS_MAX_PIXELS to read it anyway'
        )


def open_capture(source: int | str, *options: Any) -> cv2.VideoCapture:
    """Open a camera, file or address with OpenCV, without the messages of OpenCV and FFmpeg."""
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(source, *options)
    finally:
        cv2.utils.logging.setLogLevel(level)


def _capture(path: Path) -> cv2.VideoCapture:
    # FFmpeg alone: others take an image for the first one of a numbered series.
    return open_capture(str(path.absolute()), cv2.CAP_FFMPEG)


def _header(path: Path) -> _Header:
    state = path.stat()
    return _read_header(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _read_header(path: Path, size: int, changed: int) -> _Header:
    capture = _capture(path)
    names = ('FRAME_COUNT', 'FPS', 'FRAME_WIDTH', 'FRAME_HEIGHT', 'ORIENTATION_META', 'FOURCC')
    names += ('CODEC_PIXEL_FORMAT',)
    is_open = capture.isOpened()
    values = [capture.get(getattr(cv2, f'CAP_PROP_{name}')) if is_open else 0 for name in names]
    capture.release()
    count, fps, width, height, turn, *codes = values
    codec, pixels = ((int(code) & 0xFFFFFFFF).to_bytes(4, 'little') for code in codes)
    fps = float(fps) if np.isfinite(fps) and fps > 0 else 0.0
    index = _mp4_index(path)
    has_video, mirror, seconds, is_trimmed = _mp4_track(index or b'')
    return _Header(
        frames=max(0, int(count)),
        fps=fps,
        pixels=int(width * height),
        turn=turn,
        codec=codec.decode('latin-1').lower().strip('\0\xff '),
        has_alpha=pixels in _ALPHA_FORMATS,
        index=index,
        has_video=has_video,
        mirror=mirror,
        seconds=seconds if has_video else count / fps if fps else 0.0,
        is_trimmed=is_trimmed,
        is_stream=_head(path)[:1] == b'\x47',
    )


def _mp4_index(path: Path) -> bytes | None:
    """Return the box ``moov`` of an mp4 or mov file: see :class:`_Header`."""
    position = 0
    with path.open('rb') as file:
        while True:
            file.seek(position)
            head = file.read(16)
            size, kind = struct.unpack('>I4s', head[:8]) if len(head) >= 8 else (0, b'')
            if not position and kind not in (b'ftyp', b'moov', b'mdat', b'wide', b'free', b'skip'):
                return None
            if kind == b'moov':
                file.seek(position + 8)
                index = file.read(min(max(0, size - 8) or _MAX_INDEX, _MAX_INDEX))
                return index if len(index) >= size - 8 else b''
            if size == 1 and len(head) == 16:  # the size has 64 bits
                size = struct.unpack('>Q', head[8:])[0]
            if size < 8:
                return b''
            position += size


def _boxes(content: bytes) -> dict[bytes, list[bytes]]:
    """Return the boxes of a box by their kinds."""
    boxes, position = defaultdict(list), 0
    while position + 8 <= len(content):
        size, kind = struct.unpack_from('>I4s', content, position)
        boxes[kind].append(content[position + 8 : position + size])
        position += max(size, 8)
    return boxes


def _head(path: Path) -> bytes:
    with path.open('rb') as file:
        return file.read(512)


def _box(content: bytes, *kinds: bytes) -> bytes:
    """Return the first box that has this path of kinds, b'' if there is none."""
    for kind in kinds:
        content = next(iter(_boxes(content)[kind]), b'')
    return content


def _mp4_track(index: bytes) -> tuple[bool, int | None, float, bool]:
    """Return the last four fields of :class:`_Header` for the first video track."""
    for track in _boxes(index)[b'trak']:
        if _box(track, b'mdia', b'hdlr')[8:12] != b'vide':
            continue
        with suppress(struct.error):
            whole = _seconds(_box(track, b'mdia', b'mdhd'))
            shown = _edited_seconds(_box(track, b'edts', b'elst'), _box(index, b'mvhd')) or whole
            return True, _mirror(_box(track, b'tkhd')), shown, whole - shown > _TRIMMED
        return True, None, 0.0, False
    return False, None, 0.0, False


def _seconds(header: bytes, duration: int | None = None) -> float:
    """Return a duration, by default that of the track or movie, by the time scale of its header."""
    form, offset = ('>IQ', 20) if header[:1] == b'\1' else ('>II', 12)
    scale, total = struct.unpack_from(form, header, offset)
    return (total if duration is None else duration) / scale if scale else 0.0


def _edited_seconds(edits: bytes, movie: bytes) -> float:
    form = '>Qqi' if edits[:1] == b'\1' else '>Iii'
    total = 0
    for number in range(struct.unpack_from('>I', edits, 4)[0] if edits else 0):
        duration, start, _ = struct.unpack_from(form, edits, 8 + number * struct.calcsize(form))
        total += duration if start >= 0 else 0  # below 0: nothing is shown
    return _seconds(movie, total)


def _mirror(header: bytes) -> int | None:
    """Return the axis along which turned frames are mirrored by the matrix of a track."""
    a, b, _, c, d = struct.unpack_from('>5i', header, 52 if header[:1] == b'\1' else 40)
    return None if a * d - b * c >= 0 else 0 if a else 1


def shortage(path: Path, times: Sequence[float]) -> str | None:
    """Return what is missing if frames at these times end before the stated end, else None."""
    header, count = _header(path), len(times)
    expected = min(header.frames, round(header.seconds * header.fps))
    # The number is an estimate in many containers, but the end is known then.
    if count >= expected or times[-1] + 1.5 / header.fps >= header.seconds:
        return None
    return f'{count} of {expected} stated frames could be read, the file is damaged or cut off'


def _rate(path: Path, times: Sequence[float]) -> float | None:
    """Return the stated frame rate if it fits the times, else their mean rate."""
    stated, span = _header(path).fps, times[-1]
    if span <= 0:
        return stated or None
    longest = max(after - before for before, after in zip(times, times[1:]))
    if stated and abs(len(times) / stated - span) <= 1.5 * longest + 0.02 * span:
        return stated
    return (len(times) - 1) / span


def _no_video(path: Path, which: str) -> DataFileError:
    size = path.stat().st_size
    return DataFileError(f'{path} ({size} bytes) has no video {which}: {_cause(path)}')


def _cause(path: Path) -> str:
    """Return why no frame of a file could be read, and the remedy."""
    header = _header(path)
    head = _head(path).lstrip(b'\xef\xbb\xbf \r\n\t').lower()
    hint = '' if _is_installed('av') else ', or install PyAV, which reads more (pip install av)'
    if not head:
        return 'the file is empty. Copy or download it again'
    for start, what in _OTHER_FILES.items():
        if head.startswith(start) or head[8:].startswith(start):  # as in RIFF....WAVE
            return f'it is {what}'
    if head.isascii() and head.decode().replace('\n', ' ').isprintable():
        return 'it is a text file'
    if header.index and not header.has_video:
        return 'it has no video stream, only others such as sound'
    if header.codec:
        name = _CODECS.get(header.codec, header.codec)
        return f'its codec {name} cannot be decoded. Convert it to H.264 in mp4{hint}'
    what = 'its index is missing' if header.index == b'' else 'it is damaged, cut off or no video'
    return f'{what}. Copy it again, convert it to mp4{hint}'
