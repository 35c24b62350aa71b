"""Frames of video files."""

import os
import struct
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from public_sets import write_video

from r2vos_mm.apis import open_frames
from r2vos_mm.datasets import DataFileError, DecodeVideoFrames
from r2vos_mm.datasets.io import videos
from r2vos_mm.datasets.io.videos import decode_frames, reader_named, scan_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Six frames, frame i grey of level 20 i."""
    path = tmp_path / '-clip.mp4'
    write_video(path, 6)
    return path


def levels(frames: list[np.ndarray]) -> list[int]:
    return [round(float(frame.mean()) / 20) for frame in frames]


def test_frames_come_in_the_order_asked_for(video: Path) -> None:
    frames = decode_frames(video, [4, 0, 2, 2])
    assert levels(frames) == [4, 0, 2, 2]
    assert frames[0].shape == (24, 32, 3)
    assert frames[0].dtype == np.uint8


def test_an_index_behind_the_end_gives_the_last_frame(video: Path) -> None:
    assert levels(decode_frames(video, [5, 6, 90])) == [5, 5, 5]
    assert levels(decode_frames(video, [90])) == [5]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r'cannot read .*none\.mp4'):
        decode_frames(tmp_path / 'none.mp4', [0])
    (tmp_path / 'text.mp4').write_text('no video')
    with pytest.raises(DataFileError, match='has no video that opencv can read'):
        decode_frames(tmp_path / 'text.mp4', [0])


def test_backends_by_name(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="unknown backend 'ffmpeg'.* opencv, av, decord"):
        decode_frames(video, [0], backend='ffmpeg')
    with pytest.raises(ValueError, match='unknown backend'):
        DecodeVideoFrames(backend='ffmpeg')
    for name in ('av', 'decord'):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ImportError, match=f'{name} is not installed: pip install'):
            decode_frames(video, [0], backend=name)


def test_decord_gives_rgb(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Frame:
        def asnumpy(self) -> np.ndarray:
            return np.full((2, 2, 3), (1, 2, 3), np.uint8)

    class Reader:
        def __init__(self, path: str) -> None:
            assert path == str(video)

        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Frame:
            return Frame()

        def get_frame_timestamp(self, index: int) -> list[float]:
            return [index / 10, (index + 1) / 10]

    module = types.ModuleType('decord')
    module.VideoReader, module.DECORDError = Reader, RuntimeError
    monkeypatch.setitem(sys.modules, 'decord', module)
    assert decode_frames(video, [1], backend='decord')[0][0, 0].tolist() == [3, 2, 1]


def test_av_gives_bgr_as_asked(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Frame:
        time = 0.0

        def to_ndarray(self, format: str) -> np.ndarray:
            assert format == 'bgr24'
            return np.full((2, 2, 3), 7, np.uint8)

    class Container:
        def __enter__(self) -> 'Container':
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def decode(self, video: int) -> Iterator[Frame]:
            return iter([Frame(), Frame()])

    module = types.ModuleType('av')
    module.open, module.FFmpegError = lambda path, **_: Container(), RuntimeError
    monkeypatch.setitem(sys.modules, 'av', module)
    assert [frame[0, 0, 0] for frame in decode_frames(video, [0, 1], backend='av')] == [7, 7]


@pytest.mark.parametrize('backend', ['av', 'decord'])
def test_installed_backends_give_the_frames_of_opencv(video: Path, backend: str) -> None:
    pytest.importorskip(backend, reason=f'{backend} is optional and not installed')
    expected = decode_frames(video, [4, 0, 2, 9])
    frames = decode_frames(video, [4, 0, 2, 9], backend=backend)
    for frame, same in zip(frames, expected, strict=True):
        assert frame.shape == same.shape
        assert frame.dtype == np.uint8
        # their conversions from YUV round differently
        np.testing.assert_allclose(frame.astype(int), same.astype(int), atol=3)


@pytest.mark.parametrize('backend', ['av', 'decord'])
def test_installed_backends_name_files_that_they_cannot_read(tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend, reason=f'{backend} is optional and not installed')
    (tmp_path / 'text.mp4').write_text('no video')
    with pytest.raises(DataFileError, match=f'has no video that {backend} can read'):
        decode_frames(tmp_path / 'text.mp4', [0], backend=backend)


def test_the_transform_fills_in_lists_over_the_frames(video: Path) -> None:
    results = DecodeVideoFrames()(dict(video_path=str(video), video_frames=[1, 3]))
    assert levels(results['img']) == [1, 3]
    assert results['img_shape'] == results['ori_shape'] == [(24, 32), (24, 32)]
    assert not results.keys() & {'video_path', 'video_frames'}


# Real files, made here and patched: what cameras, editors and interrupted copies leave.

BACKENDS = ['opencv', 'av', 'decord']
QUADRANTS = np.kron(
    np.array([[[0, 0, 255], [0, 255, 0]], [[255, 0, 0], [255, 255, 255]]], np.uint8),
    np.ones((24, 32, 1), np.uint8),
)
ONE, UNIT = 1 << 16, 1 << 30


def make_mp4(path: Path, count: int = 10) -> bytearray:
    """Quadrants of four colours; a black square moves down by one row per frame."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, (64, 48))
    for index in range(count):
        frame = QUADRANTS.copy()
        frame[index : index + 6, :6] = 0
        writer.write(frame)
    writer.release()
    return bytearray(path.read_bytes())


def patch(content: bytearray, box: bytes, offset: int, form: str, *values: int) -> None:
    struct.pack_into(form, content, content.index(box) + len(box) + offset, *values)


def needs(backend: str) -> None:
    if backend != 'opencv':
        pytest.importorskip(backend, reason=f'{backend} is optional and not installed')


# Matrices of the track, and how they change what is stored.
TURNS = {
    'upright': ((ONE, 0, 0, 0, ONE), lambda x: x),
    'clockwise': ((0, ONE, 0, -ONE, 0), lambda x: np.rot90(x, -1)),
    'upside down': ((-ONE, 0, 0, 0, -ONE), lambda x: np.rot90(x, 2)),
    'counter-clockwise': ((0, -ONE, 0, ONE, 0), np.rot90),
    'mirrored': ((-ONE, 0, 0, 0, ONE), lambda x: x[:, ::-1]),
    'flipped': ((ONE, 0, 0, 0, -ONE), lambda x: x[::-1]),
    'transposed': ((0, ONE, 0, ONE, 0), lambda x: x.transpose(1, 0, 2)),
    'transversed': ((0, -ONE, 0, -ONE, 0), lambda x: np.rot90(x.transpose(1, 0, 2), 2)),
}


@pytest.mark.parametrize('turn', TURNS)
@pytest.mark.parametrize('backend', BACKENDS)
def test_frames_are_turned_as_players_show_them(tmp_path: Path, backend: str, turn: str) -> None:
    needs(backend)
    content, (matrix, change) = make_mp4(tmp_path / 'a.mp4'), TURNS[turn]
    patch(content, b'tkhd', 40, '>9i', *matrix, 0, 0, 0, UNIT)
    (tmp_path / 'a.mp4').write_bytes(content)
    (frame,) = decode_frames(tmp_path / 'a.mp4', [9], backend=backend)
    expected = change(QUADRANTS)
    assert frame.shape == expected.shape
    assert np.abs(frame.astype(int) - expected).mean() < 15


@pytest.mark.parametrize('backend', BACKENDS)
def test_edit_lists_cut_without_damage(tmp_path: Path, backend: str) -> None:
    """A trimmed video: the edit list shows 6 of 10 frames, from the fifth one on."""
    needs(backend)
    content = make_mp4(tmp_path / 'a.mp4')
    scale = struct.unpack_from('>I', content, content.index(b'mdhd') + 16)[0]
    movie = struct.unpack_from('>I', content, content.index(b'mvhd') + 16)[0]
    patch(content, b'elst', 8, '>Ii', movie * 6 // 10, scale * 4 // 10)
    (tmp_path / 'a.mp4').write_bytes(content)
    frames = list(reader_named(backend)(tmp_path / 'a.mp4'))
    scan = scan_video(tmp_path / 'a.mp4')
    assert (len(frames), scan.problem) == (len(scan.times), None) == (6, None)
    tops = [int(np.flatnonzero(frame[:, 2].sum(-1) < 120)[0]) for _, frame in frames]
    assert [abs(top - index) <= 1 for index, top in enumerate(tops, start=4)] == [True] * 6


def cut_avi(path: Path, count: int = 20) -> None:
    """A file whose header states ``count`` frames, cut off after three fifths of its bytes."""
    noise = np.random.default_rng(0)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (64, 48))
    for _ in range(count):
        writer.write(noise.integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 5])


def test_cut_off_videos_say_how_much_is_left(tmp_path: Path) -> None:
    path = tmp_path / 'a.avi'
    cut_avi(path)
    scan = scan_video(path)
    told = f'{len(scan.times)} of 20 stated frames could be read'
    assert 10 <= len(scan.times) <= 13
    assert scan.problem.startswith(told)
    assert open_frames(path).problem == scan.problem
    assert len(decode_frames(path, [0, len(scan.times) - 1])) == 2
    with pytest.raises(DataFileError, match=rf'a\.avi: {told}.* frame 19 is needed'):
        decode_frames(path, [3, 19])


@pytest.mark.parametrize('backend', BACKENDS)
def test_all_readers_end_at_the_same_damage(test_data: Path, backend: str) -> None:
    needs(backend)
    path = test_data / 'data/field_cases/truncated_video/cut.mp4'
    frames = [frame for _, frame in reader_named(backend)(path)]
    expected = [frame for _, frame in reader_named('opencv')(path)]
    assert len(frames) == len(expected) == 16
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(frames, expected)) <= 3


def test_pyav_turns_what_opencv_cannot_decode(test_data: Path) -> None:
    needs('av')
    path = test_data / 'data/field_cases/rotated_av1/portrait.mp4'
    assert next(iter(open_frames(path))).shape == (160, 120, 3)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('space', [1, 5])
@pytest.mark.parametrize('span', [1, 2])
def test_colours_of_all_ranges_and_matrices(
    tmp_path: Path, backend: str, space: int, span: int
) -> None:
    """BT.709 and BT.601, limited and full range."""
    needs(backend)
    av = pytest.importorskip('av', reason='av is optional and not installed')
    with av.open(str(tmp_path / 'a.mp4'), 'w') as container:
        stream = container.add_stream('libx264', rate=10, options={'crf': '5'})
        stream.height, stream.width, stream.pix_fmt = 48, 64, 'yuv420p'
        stream.codec_context.colorspace, stream.codec_context.color_range = space, span
        frame = av.VideoFrame.from_ndarray(QUADRANTS, format='bgr24')
        frame = frame.reformat(format='yuv420p', dst_colorspace=space, dst_color_range=span)
        container.mux([*stream.encode(frame), *stream.encode()])
    (frame,) = decode_frames(tmp_path / 'a.mp4', [0], backend=backend)
    assert np.abs(frame.astype(int) - QUADRANTS).mean() <= 3


@pytest.mark.parametrize('backend', BACKENDS)
def test_transparent_parts_are_black(tmp_path: Path, backend: str) -> None:
    needs(backend)
    av = pytest.importorskip('av', reason='av is optional and not installed')
    with av.open(str(tmp_path / 'a.mov'), 'w') as container:
        stream = container.add_stream('png', rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, 'rgba'
        pixels = np.dstack([QUADRANTS[..., ::-1], np.full((48, 64), 255, np.uint8)])
        pixels[:24, :32, 3] = 0
        frame = av.VideoFrame.from_ndarray(pixels, format='rgba')
        container.mux([*stream.encode(frame), *stream.encode()])
    (frame,) = decode_frames(tmp_path / 'a.mov', [0], backend=backend)
    assert not frame[:24, :32].any()
    np.testing.assert_array_equal(frame[24:], QUADRANTS[24:])


def test_times_of_a_variable_frame_rate(tmp_path: Path) -> None:
    pictures = [Image.new('RGB', (64, 48), (50 * i, 0, 0)) for i in range(5)]
    times = dict(duration=[100, 100, 500, 100, 200])
    pictures[0].save(tmp_path / 'a.gif', save_all=True, append_images=pictures[1:], **times)
    source = open_frames(tmp_path / 'a.gif')
    assert source.times == pytest.approx([0, 0.1, 0.2, 0.7, 0.8])
    assert source.fps == pytest.approx(5)  # 5 frames in 1 s


def mp4_of(*replacements: bytes) -> Callable[[Path], bytes]:
    def make(path: Path) -> bytes:
        content = bytes(make_mp4(path))
        for box, other in zip(replacements[::2], replacements[1::2]):
            content = content.replace(box, other)
        return content

    return make


@pytest.mark.parametrize(
    ('content', 'cause'),
    [
        (b'', 'the file is empty'),
        (b'PK\x03\x04 zip', 'it is a zip archive: unpack it, which may need a password'),
        (b'  <!DOCTYPE html><html>', 'it is a web page'),
        (b'RIFF\x10\0\0\0WAVEfmt ', 'it is a sound file without video'),
        (b'Copied to drive D.\nSee there.\n', 'it is a text file'),
        (bytes(100), 'it is damaged, cut off or no video'),
        (lambda path: bytes(make_mp4(path)[:-600]), 'its index is missing'),
        (mp4_of(b'vide', b'soun'), 'it has no video stream, only others such as sound'),
        (
            mp4_of(b'mp4v', b'av01', b'esds', b'free'),
            'its codec AV1 cannot .*pip install av',
        ),
    ],
)
def test_the_cause_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | Callable[[Path], bytes],
    cause: str,
) -> None:
    monkeypatch.setitem(sys.modules, 'av', None)
    path = tmp_path / 'a.mp4'
    path.write_bytes(content if isinstance(content, bytes) else content(path))
    with pytest.raises(DataFileError, match=rf'a\.mp4 \(\d+ bytes\) has no video .*: {cause}'):
        open_frames(path)
    with pytest.raises(DataFileError, match=rf'a\.mp4 \(\d+ bytes\) has no video .*: {cause}'):
        decode_frames(path, [0])


def test_pipes_and_huge_frames_are_refused(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / 'pipe.mp4')
    for read in (open_frames, lambda path: decode_frames(path, [0])):
        with pytest.raises(DataFileError, match=r'cannot read .*pipe\.mp4 \(it is a pipe'):
            read(tmp_path / 'pipe.mp4')
    monkeypatch.setattr(videos, 'MAX_PIXELS', 24 * 32 - 1)
    with pytest.raises(DataFileError, match='frames of 768 pixels, more than 767'):
        open_frames(video)


def test_a_single_image_is_a_video_of_one_frame(tmp_path: Path) -> None:
    for name in ('00000.JPG', '00001.jpg'):
        Image.new('RGB', (64, 48)).save(tmp_path / name)
    source = open_frames(tmp_path / '00000.JPG')
    assert (source.names, source.title) == (['00000'], '00000')
    assert [frame.shape for frame in source] == [(48, 64, 3)]
