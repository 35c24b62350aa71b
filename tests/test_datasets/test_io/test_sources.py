import io
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from object_servers import http_server
from PIL import Image

from r2vos_mm.apis import FrameSource, open_frames, open_source, open_sources
from r2vos_mm.datasets import DataFileError
from r2vos_mm.datasets.io.streams import LiveFrames
from r2vos_mm.visualization import write_video


@pytest.fixture
def video(tmp_path, frames):
    path = tmp_path / 'square.mp4'
    write_video(path, frames, fps=5)
    return path


@pytest.fixture
def server(tmp_path):
    """Address of a web server of the temporary folder."""
    with http_server(tmp_path) as web:
        yield web.address


def assert_frames(source, frames):
    np.testing.assert_array_equal(list(source), frames)


class TestKnownLength:
    """Sources that can be read again."""

    def test_list_of_files(self, folder, frames):
        names = [str(folder / f'{number}.png') for number in (9, 8)]
        source = open_source(names)
        assert_frames(source, frames[[1, 0]])
        assert (source.names, source.title) == (['9', '8'], 'clip')

    def test_files_of_one_name_are_numbered(self, folder):
        source = open_source([folder / '9.png', folder / '9.png'])
        assert source.names == ['00000', '00001']

    def test_glob_in_natural_order(self, folder, frames):
        source = open_source(f'{folder}/*.png')
        assert_frames(source, frames)
        assert (source.names[0], source.title) == ('8', 'clip')

    def test_glob_of_one_video(self, video, tmp_path):
        assert len(open_source(f'{tmp_path}/sq*.mp4')) == 5

    def test_a_name_with_brackets_is_no_pattern(self, video):
        path = video.rename(video.with_name('a[1].mp4'))
        assert open_source(str(path)).title == 'a[1]'

    @pytest.mark.parametrize('kind', ['array', 'tensor', 'float', 'pil', 'bytes'])
    def test_one_image(self, frames, kind):
        channels_first = torch.from_numpy(frames[0]).permute(2, 0, 1)
        image = dict(
            array=frames[0],
            tensor=channels_first,
            float=channels_first / 255,
            pil=Image.fromarray(frames[0]),
            bytes=[cv2.imencode('.png', frames[0][..., ::-1])[1].tobytes()],
        )[kind]
        source = open_source(image)
        assert isinstance(source, FrameSource)
        assert_frames(source, frames[:1])
        assert_frames(source, frames[:1])

    def test_several_images(self, frames):
        assert_frames(open_source(torch.from_numpy(frames).permute(0, 3, 1, 2)), frames)
        assert_frames(open_source([Image.fromarray(frame) for frame in frames]), frames)

    def test_pil_images_are_turned_and_opaque(self):
        image = Image.new('RGBA', (6, 4), (200, 100, 50, 255))
        image.putpixel((0, 0), (200, 100, 50, 0))
        image.getexif()[0x0112] = 6  # turn by 90 degrees to the right
        (frame,) = open_source(image)
        assert frame.shape == (6, 4, 3)
        assert frame[0, 3].tolist() == [0, 0, 0]

    def test_address_of_a_video(self, video, server):
        source = open_source(f'{server}/{video.name}?size=small')
        assert (source.title, len(source), source.fps) == ('square', 5, 5)
        assert_frames(source, list(open_source(video)))

    def test_address_of_an_image(self, folder, server, frames):
        assert_frames(open_source(f'{server}/clip/8.png'), frames[:1])

    def test_file_address(self, video):
        assert len(open_source(f'file://{video}')) == 5

    def test_stride(self, video, frames):
        source = open_source(frames).every(2)
        assert (source.names, len(source)) == (['00000', '00002', '00004'], 3)
        assert_frames(source, frames[::2])
        of_video = open_source(video).every(3)
        assert of_video.fps == pytest.approx(5 / 3)
        assert of_video.times == pytest.approx([0, 0.6])
        with pytest.raises(ValueError, match='stride of frames is at least 1, got 0'):
            open_source(frames).every(0)


class TestUnknownLength:
    """Sources that come once."""

    def test_generator(self, frames):
        source = open_source(frame for frame in frames)
        assert not isinstance(source, FrameSource)
        assert not source.is_live
        assert_frames(source, frames)

    def test_generator_is_read_as_needed(self, frames):
        seen = []
        source = open_source(seen.append(i) or frame for i, frame in enumerate(frames))
        next(iter(source.every(2)))
        assert seen == [0]

    def test_generator_as_known_source(self, frames):
        source = open_frames(frame for frame in frames)
        assert len(source) == 5
        assert_frames(source, frames)

    def test_stride(self, frames):
        assert_frames(open_source(iter(frames)).every(2), frames[::2])

    def test_wrong_item(self, frames):
        with pytest.raises(ValueError, match='frame 1 is str'):
            list(open_source(iter([frames[0], 'a.jpg'])))

    def test_sizes_differ(self, frames):
        with pytest.raises(DataFileError, match='frame 1 of video has size'):
            list(open_source(iter([frames[0], frames[0][1:]])))

    def test_binary_file(self, video):
        with video.open('rb') as file:
            assert_frames(open_source(file), list(open_source(video)))

    def test_images_in_memory(self, frames):
        pngs = [cv2.imencode('.png', frame[..., ::-1])[1].tobytes() for frame in frames]
        assert_frames(open_source(io.BytesIO(b''.join(pngs))), frames)

    @pytest.mark.parametrize(
        ('content', 'message'), [(b'', 'the file is empty'), (b'no video', 'the file .* no video')]
    )
    def test_no_frames_in_a_file(self, content, message):
        with pytest.raises(DataFileError, match=message):
            list(open_source(io.BytesIO(content)))

    @pytest.mark.parametrize('kind', ['images', 'video'])
    def test_standard_input(self, video, frames, kind):
        content = video.read_bytes()
        if kind == 'images':
            jpegs = [cv2.imencode('.jpg', frame)[1].tobytes() for frame in frames]
            content = b''.join(jpegs)
        code = 'from r2vos_mm.apis import open_source; print([f.shape for f in open_source("-")])'
        done = subprocess.run([sys.executable, '-c', code], input=content, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        assert done.stdout.decode().strip() == str([(48, 80, 3)] * 5)

    def test_live(self, video):
        """OpenCV reads a file in the same way as a network stream."""
        source = LiveFrames(str(video))
        assert (source.is_live, source.fps) == (True, 5)
        assert_frames(source, list(open_source(video)))


class FakeCapture:
    """A camera of two frames."""

    opened = None

    def __init__(self, address, *options):
        FakeCapture.opened, self.frames = address, iter([np.zeros((4, 6, 3), np.uint8)] * 2)

    def isOpened(self):  # noqa: N802
        return True

    def get(self, prop):
        return 0

    def read(self):
        frame = next(self.frames, None)
        return frame is not None, frame

    def release(self):
        pass


@pytest.mark.parametrize('address', [3, '3', 'rtsp://host/stream', 'https://host/live.m3u8'])
def test_cameras_and_network_streams(monkeypatch, address):
    monkeypatch.setattr(cv2, 'VideoCapture', FakeCapture)
    source = open_source(address)
    assert FakeCapture.opened == (3 if address in (3, '3') else address)
    assert (source.is_live, source.fps, len(list(source))) == (True, None, 2)
    with pytest.raises(ValueError, match='has no end: segment it with'):
        open_frames(address)


def test_a_file_whose_name_is_a_number(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    folder.rename('3')
    assert len(open_source('3')) == 5


class TestSeveralVideos:
    """What a call with several videos opens."""

    def test_images_are_one_video(self, folder):
        assert [len(source) for source in open_sources(f'{folder}/*.png')] == [5]
        assert [len(source) for source in open_sources([folder / '8.png', folder / '9.png'])] == [2]

    def test_arrays(self, frames):
        assert [len(source) for source in open_sources(list(frames))] == [5]
        assert [len(source) for source in open_sources([frames, frames[:2]])] == [5, 2]
        assert [len(source) for source in open_sources(frames)] == [5]

    def test_videos(self, video, folder):
        video.with_name('other.mp4').write_bytes(video.read_bytes())
        for pattern in (f'{video.parent}/*.mp4', video.parent / '*.mp4'):
            assert [source.title for source in open_sources(pattern)] == ['other', 'square']
        assert [source.title for source in open_sources([video, folder])] == ['square', 'clip']

    def test_images_and_videos(self, video, folder):
        with pytest.raises(ValueError, match='1 of 2 inputs are images, the others videos'):
            open_sources([video, folder / '8.png'])


@pytest.mark.parametrize(
    ('frames', 'error', 'message'),
    [
        ('nothing/*.png', FileNotFoundError, 'nothing matches'),
        ('s3://bucket/a.mp4', ValueError, 'addresses begin with file, http'),
        ('http://127.0.0.1:9/', ValueError, 'names no file'),
        ('http://127.0.0.1:9/a.mp4', DataFileError, 'cannot be downloaded'),
        ('rtsp://127.0.0.1:9/a', DataFileError, 'rtsp://127.0.0.1:9/a cannot be opened'),
        (99, DataFileError, 'camera 99 cannot be opened'),
        (None, ValueError, 'frames are NoneType'),
        (True, ValueError, 'frames are bool'),
        ({}, ValueError, 'frames are dict'),
        (b'abc', ValueError, 'frames are bytes'),
        (['a.mp4', 'b.mp4'], ValueError, r"frame 0 of 2 is 'a\.mp4'"),
        (['a.jpg', 'b.jpg'], FileNotFoundError, r'a\.jpg does not exist'),
        (['a.jpg', np.zeros((2, 2, 3), np.uint8)], ValueError, 'files or images, not both'),
        (torch.full((3, 4, 4), 2.0), ValueError, r'frame 0 is torch\.float32 \(3, 4, 4\)'),
        (np.zeros((0, 4, 4, 3), np.uint8), ValueError, 'there are no frames'),
    ],
)
def test_mistakes(frames, error, message):
    with pytest.raises(error, match=message) as info:
        open_source(frames)
    assert '\n' not in str(info.value)


def test_a_web_page_is_no_video(tmp_path, server):
    (tmp_path / 'clip.mp4').write_text('<!doctype html> log in')
    with pytest.raises(DataFileError, match=r'/clip\.mp4 serves a web page'):
        open_source(f'{server}/clip.mp4')
