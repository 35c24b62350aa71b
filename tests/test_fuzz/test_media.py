"""Damaged frames and videos are read, or refused with their name; all readers agree on them."""

import importlib.util
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from fuzzing import damaged_bytes, fuzz, time_limit, used_or_refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from public_sets import write_video

from r2vos_mm.apis import open_frames, open_source
from r2vos_mm.datasets.io.videos import decode_frames
from r2vos_mm.utils.images import image_size, read_image

NOISE = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)


def encoded(form: str, **options: object) -> bytes:
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(NOISE).save(out, form, exif=exif, **options)
    return out.getvalue()


def written(path: Path, make: Callable[[Path], None]) -> bytes:
    make(path)
    return path.read_bytes()


def make_avi(path: Path) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (32, 24))
    for _ in range(6):
        writer.write(NOISE)
    writer.release()


@pytest.mark.parametrize('form', ['JPEG', 'PNG', 'WEBP', 'BMP'])
def test_frames(tmp_path: Path, form: str) -> None:
    path, sound = tmp_path / 'frame.jpg', encoded(form)

    @fuzz
    @given(data=damaged_bytes(sound))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            image = used_or_refused(lambda: read_image(path), str(path))
            size = used_or_refused(lambda: image_size(path), str(path))
        if image is not None:
            assert image[1] == size == image[0].shape[:2]
            assert image[0].dtype == np.uint8

    check()


@pytest.mark.parametrize('suffix', ['mp4', 'avi'])
def test_videos(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f'clip.{suffix}'
    make = make_avi if suffix == 'avi' else lambda path: write_video(path, 6)
    sound = written(path, make)

    @fuzz
    @given(data=damaged_bytes(sound), backend=st.sampled_from(['av', 'decord']))
    def check(data: bytes, backend: str) -> None:
        path.write_bytes(data)
        source = used_or_refused(lambda: open_frames(path), str(path))
        if source is not None:
            with time_limit():
                shapes = {frame.shape for frame in source}
            assert len(shapes) == 1
            assert len(source.times) == len(source)
        if importlib.util.find_spec(backend):
            frames = used_or_refused(lambda: decode_frames(path, [0], backend=backend), str(path))
            assert source is None or frames is None or frames[0].shape in shapes

    check()


@pytest.mark.parametrize('form', ['JPEG', 'PNG', 'PPM'])
def test_pipes(form: str) -> None:
    options = {} if form == 'PPM' else dict(exif=b'Exif\0\0')
    image = io.BytesIO()
    Image.fromarray(NOISE).save(image, form, **options)

    @fuzz
    @given(data=damaged_bytes(image.getvalue() * 3))
    def check(data: bytes) -> None:
        source = open_source(io.BytesIO(data))
        frames = used_or_refused(lambda: list(source), 'the file')
        if frames is not None:
            assert {frame.shape for frame in frames} <= {frames[0].shape}

    check()
