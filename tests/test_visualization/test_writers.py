import errno
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence

from r2vos_mm.visualization import write_image, write_video, writers


def colours(count: int, height: int = 32, width: int = 48) -> list[np.ndarray]:
    """Frames of one colour each, all different."""
    return [np.full((height, width, 3), (20 * i, 255 - 20 * i, 90), np.uint8) for i in range(count)]


def decode(path) -> list[np.ndarray]:
    video = cv2.VideoCapture(str(path))
    images = []
    while True:
        found, image = video.read()
        if not found:
            return images
        images.append(image[..., ::-1])


@pytest.mark.parametrize('count', [1, 7])
@pytest.mark.parametrize('size', [(32, 48), (33, 47)])
def test_mp4_has_all_frames_with_their_colours(tmp_path, count, size):
    path = tmp_path / 'new' / 'a.mp4'
    write_video(path, iter(colours(count, *size)), fps=7.5)
    images = decode(path)
    assert len(images) == count
    assert images[0].shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    assert np.abs(images[-1][8, 8].astype(int) - colours(count)[-1][8, 8]).max() < 12


@pytest.mark.parametrize('has_pyav', [False, True])
def test_mp4_without_an_encoder_for_h264(tmp_path, monkeypatch, capsys, has_pyav):
    """PyAV is not installed, or built without the encoder: one line for all videos."""

    def imported(name):
        if not has_pyav:
            raise ImportError(name)
        return SimpleNamespace(codecs_available={'h264', 'mpeg4'})

    writers._note_mpeg4.cache_clear()
    monkeypatch.setattr(writers.importlib, 'import_module', imported)
    for name in ('a.mp4', 'b.mp4'):
        write_video(tmp_path / name, colours(4))
    assert len(decode(tmp_path / 'a.mp4')) == 4
    assert b'mp4v' in (tmp_path / 'a.mp4').read_bytes()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert 'browsers may not play' in lines[0]
    assert "pip install 'r2vos_mm[video]'" in lines[0]


def test_mp4_with_pyav_is_what_browsers_play(tmp_path, capsys):
    """H.264 in yuv420p, its index before the pictures, so that it plays while it loads."""
    av = pytest.importorskip('av', reason='needs the extra video')
    write_video(tmp_path / 'a.mp4', colours(4, 33, 47), fps=12.5)
    with av.open(str(tmp_path / 'a.mp4')) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == 'h264'
        assert stream.codec_context.pix_fmt == 'yuv420p'
        assert (stream.height, stream.width) == (34, 48)
        assert float(stream.average_rate) == 12.5
        assert sum(1 for _ in container.decode(video=0)) == 4
    content = (tmp_path / 'a.mp4').read_bytes()
    assert 0 < content.index(b'moov') < content.index(b'mdat')
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize('count', [1, 6])
def test_gif_has_all_frames_in_one_palette(tmp_path, count):
    path = tmp_path / 'a.gif'
    write_video(path, colours(count), fps=10)
    with Image.open(path) as gif:
        assert getattr(gif, 'n_frames', 1) == count
        for index, frame in enumerate(colours(count)):
            gif.seek(index)
            assert np.abs(np.asarray(gif.convert('RGB'))[8, 8].astype(int) - frame[8, 8]).max() < 3
        if count > 1:
            assert gif.info['duration'] == 100


def test_gif_keeps_thin_coloured_lines(tmp_path):
    noise = np.random.default_rng(0).integers(60, 120, (64, 64, 3)).astype(np.uint8)
    noise[32] = (255, 196, 0)
    write_video(tmp_path / 'a.gif', [noise])
    with Image.open(tmp_path / 'a.gif') as gif:
        line = np.asarray(gif.convert('RGB'))[32].astype(int)
    assert np.abs(line - (255, 196, 0)).max() < 20


@pytest.mark.parametrize('fps', [0.5, 5.807, 23.976, 30, 59.94, 120])
@pytest.mark.parametrize('suffix', ['.mp4', '.gif'])
def test_videos_keep_their_duration(tmp_path, suffix, fps):
    count = 30
    write_video(tmp_path / f'a{suffix}', colours(count, 16, 16), fps=fps)
    if suffix == '.gif':
        with Image.open(tmp_path / 'a.gif') as gif:
            seconds = sum(f.info['duration'] for f in ImageSequence.Iterator(gif)) / 1000
    else:
        video = cv2.VideoCapture(str(tmp_path / 'a.mp4'))
        seconds = video.get(cv2.CAP_PROP_FRAME_COUNT) / video.get(cv2.CAP_PROP_FPS)
    assert seconds == pytest.approx(count / fps, rel=0.01, abs=0.02)


@pytest.mark.parametrize(('free', 'code'), [(0, errno.ENOSPC), (10**9, errno.EIO)])
def test_a_video_that_cannot_be_read_back(tmp_path, monkeypatch, free, code):
    """OpenCV says nothing when the disk is full."""

    def missing(name):
        raise ImportError(name)

    def cut(path, frames, fps):
        list(frames)
        path.write_bytes(b'cut off')

    (tmp_path / 'a.mp4').write_text('old')
    monkeypatch.setattr(writers.importlib, 'import_module', missing)
    monkeypatch.setattr(writers, '_write_opencv', cut)
    monkeypatch.setattr(writers.shutil, 'disk_usage', lambda path: SimpleNamespace(free=free))
    with pytest.raises(OSError, match='a.mp4') as raised:
        write_video(tmp_path / 'a.mp4', colours(4))
    told = str(raised.value)
    assert '0 of 4 can be read back' in told
    assert ('no space left on the disk' in told) == (code == errno.ENOSPC)
    assert (tmp_path / 'a.mp4').read_text() == 'old'
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize('suffix', ['.mp4', '.gif'])
def test_a_failed_video_leaves_the_old_file_and_no_other(tmp_path, suffix):
    path = tmp_path / f'a{suffix}'
    path.write_text('old')

    def broken():
        yield colours(1)[0]
        raise RuntimeError('decoder')

    with pytest.raises(RuntimeError, match='decoder'):
        write_video(path, broken())
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ('name', 'frames', 'fps', 'message'),
    [
        ('a.avi', colours(1), 6, r"one of \['.gif', '.mp4'\]"),
        ('a.mp4', [], 6, 'no frames'),
        ('a.gif', [], 6, 'no frames'),
        ('a.gif', [*colours(1), *colours(1, 8, 8)], 6, 'frame 1'),
        ('a.mp4', colours(1), 0, 'positive'),
        ('a.mp4', colours(1), -1, 'positive'),
        ('a.gif', colours(1), float('nan'), 'positive'),
        ('a.mp4', colours(1), float('inf'), 'positive'),
    ],
)
def test_bad_videos_are_refused(tmp_path, name, frames, fps, message):
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / name, frames, fps=fps)
    assert not list(tmp_path.iterdir())


def test_an_image_keeps_its_colours(tmp_path):
    frame = colours(3)[2]
    write_image(tmp_path / 'new' / 'a.png', frame)
    with Image.open(tmp_path / 'new' / 'a.png') as image:
        np.testing.assert_array_equal(np.asarray(image), frame)
