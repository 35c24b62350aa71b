import sys
import types

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2vos_mm.apis import open_frames
from r2vos_mm.datasets import DataFileError
from r2vos_mm.datasets.io.frames import FileFrames, natural_key
from r2vos_mm.visualization import write_video


def test_folder_in_natural_order(folder, frames):
    source = open_frames(folder)
    assert source.names == ['8', '9', '10', '11', '12']
    assert (len(source), source.title, source.fps) == (5, 'clip', None)
    np.testing.assert_array_equal(list(source), frames)
    np.testing.assert_array_equal(list(source), frames)  # a second time


def test_image_files_are_read_on_access(folder, frames, tmp_path):
    (tmp_path / 'bad.png').write_text('no image')
    paths = [*open_frames(folder).paths, tmp_path / 'bad.png', tmp_path / 'none.png']
    images = FileFrames(paths)
    assert len(images) == 7
    np.testing.assert_array_equal(images[3], frames[3])
    for index in (5, 6):
        with pytest.raises(DataFileError, match=paths[index].name):
            images[index]


@given(st.lists(st.integers(0, 10**6), unique=True))
def test_numbers_are_ordered_by_value(numbers):
    names = sorted((f'frame{number}.jpg' for number in numbers), key=natural_key)
    assert names == [f'frame{number}.jpg' for number in sorted(numbers)]


def test_other_files_are_no_frames(folder):
    (folder / 'notes.txt').write_text('about the clip')
    (folder / '._8.png').write_bytes(b'resource fork')
    assert len(open_frames(str(folder))) == 5


def test_empty_folder(tmp_path):
    with pytest.raises(DataFileError, match=f'folder {tmp_path} has no frames'):
        open_frames(tmp_path)


def test_frames_and_masks_in_one_folder(folder, frames):
    cv2.imwrite(str(folder / '9.jpg'), frames[0])
    with pytest.raises(DataFileError, match="two images named '9'"):
        open_frames(folder)


def test_broken_image_is_named(folder):
    (folder / '10.png').write_bytes(b'not an image')
    with pytest.raises(DataFileError, match=r'10\.png is not a complete image'):
        list(open_frames(folder))


def test_image_of_another_size_is_named(folder):
    cv2.imwrite(str(folder / '11.png'), np.zeros((50, 80, 3), np.uint8))
    with pytest.raises(DataFileError, match=r'11\.png has size \(50, 80\).* \(48, 80\)'):
        list(open_frames(folder))


def test_missing_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.mp4 does not exist'):
        open_frames(tmp_path / 'nowhere.mp4')


@pytest.mark.parametrize('suffix', ['mp4', 'gif', 'avi'])
def test_video_files(tmp_path, frames, suffix):
    path = tmp_path / f'square.{suffix}'
    if suffix == 'avi':
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 5, (80, 48))
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        writer.release()
    else:
        write_video(path, frames, fps=5)
    source = open_frames(path)
    assert source.names == ['00000', '00001', '00002', '00003', '00004']
    assert source.title == 'square'
    assert source.fps == pytest.approx(5)
    error = np.abs(np.stack(list(source)).astype(int) - frames)
    assert error.mean() < 12  # lossy, but red is red and frames are in order


def test_unreadable_video(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'av', None)
    path = tmp_path / 'cut.mp4'
    path.write_bytes(b'\0\0\0\x20ftypisom' + bytes(100))
    with pytest.raises(DataFileError, match=r'cut\.mp4 \(112 bytes\) has no video .*install PyAV'):
        open_frames(path)


class FakeContainer:
    """What PyAV opens: three frames whose values are their numbers."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def decode(self, video):
        for index in range(3):
            image = np.full((4, 6, 3), index, np.uint8)
            read = lambda format, image=image: image  # noqa: E731
            yield types.SimpleNamespace(to_ndarray=read, time=index / 10)


def test_pyav_reads_what_opencv_cannot(tmp_path, monkeypatch):
    fake = types.SimpleNamespace(open=lambda path, **_: FakeContainer(), FFmpegError=OSError)
    monkeypatch.setitem(sys.modules, 'av', fake)
    path = tmp_path / 'odd.mkv'
    path.write_bytes(b'a codec that OpenCV lacks')
    source = open_frames(path)
    assert len(source) == 3
    assert [int(frame[0, 0, 0]) for frame in source] == [0, 1, 2]


@pytest.mark.parametrize(
    ('arrays', 'message'),
    [
        ([], 'there are no frames'),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)], r'frame 1 is uint8 \(4, 4\)'),
        (np.zeros((2, 4, 4, 3), np.float32), r'frame 0 is float32'),
        ([None], 'frame 0 is NoneType'),
    ],
)
def test_wrong_arrays(arrays, message):
    with pytest.raises(ValueError, match=message):
        open_frames(arrays)
