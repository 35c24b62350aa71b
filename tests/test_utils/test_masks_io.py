"""Masks in files: PNGs, run-length codes, polygons."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.masks_io import (
    davis_palette,
    decode_label_png,
    decode_polygons,
    decode_rle,
    encode_rle,
    read_label_png,
    read_mask_dict,
    write_label_png,
)

LABELS = np.array([[0, 1, 2], [255, 2, 0]], np.uint8)


def test_palette_has_the_colours_of_davis() -> None:
    # Bits 0, 1, 2 of the id are the top bits of red, green, blue: id 1 = (128, 0, 0) and so on.
    assert davis_palette()[:12] == (0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0)
    assert davis_palette()[3 * 21 : 3 * 22] == (128, 64, 128)
    assert davis_palette()[3 * 255 :] == (224, 224, 192)


@pytest.mark.parametrize(('palette', 'mode'), [(True, 'P'), (False, 'L')])
def test_labels_survive_a_png(tmp_path: Path, palette: bool, mode: str) -> None:
    path = tmp_path / 'a/0.png'
    write_label_png(LABELS, path, palette=palette)
    with Image.open(path) as image:
        assert image.mode == mode
    assert (read_label_png(path) == LABELS).all()
    assert [file.name for file in path.parent.iterdir()] == ['0.png']


def test_one_bit_images_have_ids_0_and_1(tmp_path: Path) -> None:
    Image.fromarray(LABELS > 0).save(tmp_path / '0.png')
    assert read_label_png(tmp_path / '0.png').tolist() == [[0, 1, 1], [1, 1, 0]]


def test_files_that_are_no_masks(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r'cannot read .*0\.png'):
        read_label_png(tmp_path / '0.png')
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / '0.png')
    with pytest.raises(DataFileError, match=r'0\.png is not a mask \(mode RGB'):
        read_label_png(tmp_path / '0.png')
    content = (tmp_path / '0.png').read_bytes()
    with pytest.raises(DataFileError, match='zip: 0 is not a complete image'):
        decode_label_png(content[:40], 'zip: 0')


def test_run_length_codes() -> None:
    mask = np.array([[False, True, True], [False, False, True]])
    code = encode_rle(mask)
    assert code['size'] == [2, 3]
    assert isinstance(code['counts'], str)
    assert (decode_rle(code, '') == mask).all()
    # Column by column: two of 0, one of 1, one of 0, two of 1.
    assert (decode_rle(dict(size=[2, 3], counts=[2, 1, 1, 2]), '') == mask).all()
    with pytest.raises(DataFileError, match='frame 3 is not a run-length code'):
        decode_rle(dict(counts='x'), 'frame 3')


def test_polygons() -> None:
    square = [1.0, 0.0, 3.0, 0.0, 3.0, 2.0, 1.0, 2.0]
    assert decode_polygons([square], (3, 4), '').astype(int).tolist() == [
        [0, 1, 1, 0],
        [0, 1, 1, 0],
        [0, 0, 0, 0],
    ]
    assert not decode_polygons([[0.0, 0.0, 3.0, 3.0]], (3, 4), '').any()
    with pytest.raises(DataFileError, match='image 7: its polygons'):
        decode_polygons([3], (3, 4), 'image 7')


@pytest.mark.parametrize('content', ['[]', '{"1": {}}'])
def test_other_files_are_no_mask_dict(tmp_path: Path, content: str) -> None:
    path = tmp_path / 'mask_dict.json'
    path.write_text(content)
    with pytest.raises(ValueError, match=r'mask_dict\.json is not a dict of lists'):
        read_mask_dict(path)
    path.write_text('{"1": [null]}')
    assert read_mask_dict(path) == {'1': [None]}


class TestRunLengthCodes:
    @pytest.mark.parametrize('size', [(1, 1), (3, 7), (40, 33)])
    def test_counts_are_as_many_as_pixels(self, size):
        rng = np.random.default_rng(size[0])
        for share in (0, 0.02, 0.5, 1):
            mask = rng.random(size) < share
            assert (decode_rle(encode_rle(mask), 'x', size) == mask).all()

    @pytest.mark.parametrize(
        ('code', 'message'),
        [
            ({'size': [10**6, 10**6], 'counts': '04'}, 'is not one of a mask'),
            ({'size': [50000, 50000], 'counts': [2500000000]}, 'is not one of a mask'),
            ({'size': [4, 5], 'counts': encode_rle(np.ones((3, 5)))['counts']}, '15 pixels, not'),
            ({'size': [2, 2], 'counts': [1, 5]}, '6 pixels, not 2'),
            ({'size': [2, 2], 'counts': [6, -3, 1]}, 'is not a run-length code'),
            ({'size': [2, 2], 'counts': '~~~~'}, 'broken counts'),
            ({'size': [2], 'counts': [4]}, 'is not a run-length code'),
            ({'size': [2.5, 2], 'counts': [5]}, 'is not a run-length code'),
            (None, 'is not a run-length code'),
        ],
    )
    def test_broken_codes(self, code, message):
        with pytest.raises(DataFileError, match=message):
            decode_rle(code, 'x')


@pytest.mark.parametrize('far', [1e9, float('nan'), float('inf')])
def test_polygons_with_points_far_outside(far: float) -> None:
    with pytest.raises(DataFileError, match='image 7.* far outside the image'):
        decode_polygons([[0, 0, far, 0, 5, 5]], (24, 32), 'image 7')
