"""Frames of video files."""

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from public_sets import write_video

from r2vos_mm.datasets import DataFileError, DecodeVideoFrames
from r2vos_mm.datasets.io.videos import decode_frames


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
        with pytest.raises(ImportError, match=f"backend='{name}' needs .* pip install {name}"):
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
    module.open, module.FFmpegError = lambda path: Container(), RuntimeError
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
