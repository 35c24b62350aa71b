"""A model with random weights at 64 x 64."""

from pathlib import Path

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
