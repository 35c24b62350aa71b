"""A model with random weights at 64 x 64, and frames for it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from r2vos_mm.apis import init_model
from r2vos_mm.models.segmentors import ReferringVideoSegmentor

CONFIG = Path(__file__).parents[2] / 'configs' / 'r2vos_tiny_refshapes.py'
RESIZE = 'test_dataloader.dataset.pipeline.0.transforms.1.scale'


@pytest.fixture(scope='session')
def random_model() -> ReferringVideoSegmentor:
    torch.manual_seed(0)
    return init_model(CONFIG, device='cpu', cfg_options={RESIZE: (64, 64)})


@pytest.fixture
def model(random_model) -> ReferringVideoSegmentor:
    """The random model; its test_cfg is restored after the test."""
    before = dict(vars(random_model.test_cfg))
    yield random_model
    vars(random_model.test_cfg).update(before)


@pytest.fixture(scope='session')
def frames() -> np.ndarray:
    """(5, 48, 80, 3) uint8 RGB: a red square moves right over blue."""
    video = np.full((5, 48, 80, 3), (20, 40, 200), np.uint8)
    for index, frame in enumerate(video):
        frame[16:32, 8 + 10 * index : 24 + 10 * index] = (220, 30, 30)
    return video


@pytest.fixture
def folder(tmp_path, frames) -> Path:
    """The frames as 8.png .. 12.png, whose order by letters is another."""
    path = tmp_path / 'clip'
    path.mkdir()
    for number, frame in enumerate(frames, start=8):
        cv2.imwrite(str(path / f'{number}.png'), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return path
