"""A store with a sample clip, and a stand-in for the model."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from red_model import BLUE_RING, RED_SQUARE, RedModel

from r2vos_mm.serve import ClipStore, Limits
from r2vos_mm.visualization import write_video


@pytest.fixture
def red_model() -> RedModel:
    return RedModel()


@pytest.fixture(scope='session')
def clip_file(tmp_path_factory, frames) -> Path:
    """A video of the frames of the fixture ``frames``: five of 48 x 80 at 5 per second."""
    path = tmp_path_factory.mktemp('clip') / 'my square.mp4'
    write_video(path, frames, fps=5)
    return path


@pytest.fixture
def store(clip_file) -> Iterator[ClipStore]:
    limits = Limits(upload_bytes=100_000, frames=8, texts=3, text_length=40, jobs=2)
    store = ClipStore(limits, {'square': (clip_file, [RED_SQUARE, BLUE_RING])})
    yield store
    store.close()
