"""Images are read as viewers show them, and refused by their headers where they are too large."""

import doctest
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from r2vos_mm.utils import images
from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.images import check_png, decode_image, image_size, read_image
from r2vos_mm.utils.masks_io import read_label_png

# Red, green / blue, white in blocks of 16 x 24 pixels: every turn of it is different.
UPRIGHT = np.kron(
    np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8),
    np.ones((16, 24, 1), np.uint8),
)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def rgb(content: bytes) -> np.ndarray:
    return decode_image(content)[..., ::-1].astype(int)


def test_examples_of_the_docstrings() -> None:
    assert doctest.testmod(images).failed == 0


# How the pixels are stored for each value of the tag, so that the shown picture is the same.
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT),
    7: np.rot90(UPRIGHT.transpose(1, 0, 2), 2),
    8: np.rot90(UPRIGHT, -1),
}


@pytest.mark.parametrize('orientation', STORED)
@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp'])
def test_exif_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f'a.{suffix}'
    Image.fromarray(np.ascontiguousarray(STORED[orientation])).save(path, exif=exif, quality=95)
    image, size = read_image(path)
    assert size == image_size(path) == image.shape[:2] == (32, 48)
    assert np.abs(image[..., ::-1].astype(int) - UPRIGHT).mean() < 8
    if suffix == 'jpg':
        small, size = read_image(path, (24, 16))
        assert (small.shape[:2], size) == ((16, 24), (32, 48))


def test_broken_exif_turns_nothing(tmp_path: Path) -> None:
    content = encoded(Image.fromarray(UPRIGHT), 'JPEG', exif=b'Exif\0\0II nonsense')
    assert decode_image(content).shape == UPRIGHT.shape


def test_transparent_parts_are_black() -> None:
    layer = Image.fromarray(np.dstack([UPRIGHT, np.full(UPRIGHT.shape[:2], 255, np.uint8)]))
    layer.paste((200, 100, 50, 0), (0, 0, 24, 16))
    layer.paste((200, 100, 50, 51), (24, 0, 48, 16))
    image = rgb(encoded(layer, 'PNG'))
    assert image[4, 4].tolist() == [0, 0, 0]
    assert np.abs(image[4, 40] - (40, 20, 10)).max() <= 1
    palette = Image.fromarray(UPRIGHT).quantize(4)
    hidden = palette.getpixel((40, 20))  # white
    assert rgb(encoded(palette, 'PNG', transparency=hidden))[20, 40].tolist() == [0, 0, 0]
    grey = Image.new('LA', (4, 4), (200, 0))
    assert not rgb(encoded(grey, 'PNG')).any()


@pytest.mark.parametrize('mode', ['L', '1', 'P', 'I;16', 'CMYK'])
def test_modes(mode: str) -> None:
    if mode == 'I;16':
        content = encoded(Image.fromarray(np.full((8, 8), 0x80FF, np.uint16)), 'PNG')
    else:
        form = 'JPEG' if mode == 'CMYK' else 'PNG'
        content = encoded(Image.new('RGB', (8, 8), 'white').convert(mode), form)
    image = rgb(content)
    assert image.shape == (8, 8, 3)
    assert abs(image.mean() - (128 if mode == 'I;16' else 255)) < 3


@pytest.mark.parametrize('form', ['PNG', 'WEBP', 'GIF'])
def test_animations_are_refused(form: str) -> None:
    pictures = [Image.new('RGB', (8, 8), colour) for colour in ('red', 'blue')]
    content = encoded(pictures[0], form, save_all=True, append_images=pictures[1:])
    with pytest.raises(OSError, match='an animation of 2 pictures'):
        decode_image(content)


@pytest.mark.parametrize(
    ('form', 'zeros'),
    [('JPEG', False), ('JPEG', True), ('PNG', False), ('PNG', True), ('WEBP', False)],
)
def test_cut_off_images(tmp_path: Path, form: str, zeros: bool) -> None:
    """A copy that stops leaves a shorter file, or one whose end is zeros."""
    thumbnail = encoded(Image.new('RGB', (8, 8)), 'JPEG')
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    exif = b'Exif\0\0MM\0*\0\0\0\x08\0\0\0\0' + thumbnail if form == 'JPEG' else b''
    content = encoded(Image.fromarray(noise), form, exif=exif)
    cut = content[: len(content) // 2]
    (tmp_path / 'a.jpg').write_bytes(cut + bytes(len(content) - len(cut)) if zeros else cut)
    with pytest.raises(DataFileError, match=r'a\.jpg is not a complete image'):
        read_image(tmp_path / 'a.jpg')


def test_data_after_the_end_of_a_jpeg(tmp_path: Path) -> None:
    (tmp_path / 'a.jpg').write_bytes(encoded(Image.fromarray(UPRIGHT), 'JPEG') + b'motion photo')
    assert read_image(tmp_path / 'a.jpg')[1] == (32, 48)


def bomb(side: int) -> bytes:
    """A PNG whose header states a huge black picture, of which only the start is stored."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack('>I', zlib.crc32(kind + data))
        return struct.pack('>I', len(data)) + kind + data + check

    header = struct.pack('>IIBBBBB', side, side, 8, 0, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', b'') + chunk(b'IEND', b'')


@pytest.mark.parametrize('side', [10_000, 30_000])
def test_huge_images_are_refused_by_their_header(tmp_path: Path, side: int) -> None:
    (tmp_path / 'a.png').write_bytes(bomb(side))
    for read in (read_image, image_size, read_label_png):
        with pytest.raises(DataFileError, match=r'a\.png is not .*R2VOS_MAX_PIXELS'):
            read(tmp_path / 'a.png')


def test_the_limit_can_be_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(UPRIGHT).save(tmp_path / 'a.png')
    monkeypatch.setattr(images, 'MAX_PIXELS', 32 * 48 - 1)
    with pytest.raises(DataFileError, match='it has 48 x 32 pixels, more than 1,535'):
        read_image(tmp_path / 'a.png')


def test_endless_files_and_other_cases(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'pipe.png')
    (tmp_path / 'zero.png').symlink_to('/dev/zero')
    (tmp_path / 'folder.png').mkdir()
    for name in ('pipe.png', 'zero.png', 'folder.png', 'none.png'):
        for read in (read_image, read_label_png):
            with pytest.raises(DataFileError, match=rf'cannot read .*{name}'):
                read(tmp_path / name)
    Image.fromarray(UPRIGHT).save(tmp_path / 'B.JPG')
    Image.fromarray(UPRIGHT[..., 0]).save(tmp_path / 'B.PNG')
    assert read_image(tmp_path / 'B.jpg')[1] == read_label_png(tmp_path / 'B.png').shape


@pytest.mark.parametrize('read', [decode_image, check_png])
def test_a_changed_bit_of_a_png_is_noticed(read: object) -> None:
    """Decoders compare no checksums: pixels would change without a word."""
    data = encoded(Image.fromarray(UPRIGHT), 'PNG')
    read(data)
    start = data.index(b'IDAT') + 4
    for byte in range(start, start + 20):
        broken = bytearray(data)
        broken[byte] ^= 4
        with pytest.raises(OSError, match="'IDAT' is damaged"):
            read(bytes(broken))
