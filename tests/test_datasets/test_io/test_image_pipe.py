import io

import numpy as np
import pytest
from PIL import Image

from r2vos_mm.datasets import DataFileError
from r2vos_mm.datasets.io.image_pipe import ImagePipe


def encoded(kind: str, seed: int = 0, **options) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 31, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


IMAGES = dict(
    jpeg=encoded('JPEG'),
    progressive=encoded('JPEG', progressive=True),
    restarts=encoded('JPEG', restart_marker_blocks=1),
    png=encoded('PNG'),
    ppm=encoded('PPM'),
)
# A JPEG with a whole JPEG as preview in its headers.
IMAGES['preview'] = encoded('JPEG', exif=b'Exif\0\0' + IMAGES['jpeg'])


class Trickle:
    """A pipe that gives a few bytes at a time."""

    def __init__(self, content: bytes, step: int) -> None:
        self.file, self.step = io.BytesIO(content), step

    def read(self, count: int = -1) -> bytes:
        return self.file.read(self.step)


@pytest.mark.parametrize('step', [1, 7, 100_000])
def test_images_are_split(step):
    images = [*IMAGES.values(), *reversed(IMAGES.values())]
    assert list(ImagePipe(Trickle(b''.join(images), step), 'pipe')) == images


def test_an_image_is_given_before_the_next_one_arrives():
    pipe = Trickle(IMAGES['jpeg'] + IMAGES['png'], 16)
    assert next(iter(ImagePipe(pipe, 'pipe'))) == IMAGES['jpeg']
    assert pipe.file.tell() <= len(IMAGES['jpeg']) + 16


@pytest.mark.parametrize('kind', IMAGES)
def test_cut_off(kind):
    pipe = ImagePipe(io.BytesIO(IMAGES['png'] + IMAGES[kind][:-3]), 'the pipe')
    images = iter(pipe)
    assert next(images) == IMAGES['png']
    with pytest.raises(DataFileError, match='image 1 of the pipe is cut off'):
        next(images)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'hello', "image 0 of the pipe begins with b'hell'"),
        (IMAGES['jpeg'][:2] + b'nothing', 'image 0 of the pipe is a damaged JPEG'),
        (b'P6 nothing', 'image 0 of the pipe is a damaged PPM'),
        (b'P6 99999 99999 255\n', 'image 0 of the pipe has more than'),
    ],
)
def test_other_content(content, message):
    with pytest.raises(DataFileError, match=message):
        list(ImagePipe(io.BytesIO(content), 'the pipe'))


def test_the_start_is_read_again():
    pipe, copy = ImagePipe(Trickle(b'abcdefgh', 3), 'pipe'), io.BytesIO()
    assert pipe.start() == b'abcd'
    pipe.copy_to(copy)
    assert copy.getvalue() == b'abcdefgh'
