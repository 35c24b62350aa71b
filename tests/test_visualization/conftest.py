"""A synthetic video with four pairs, as the segmentor returns it."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from r2vos_mm.structures import ReferringDataSample

FRAMES, HEIGHT, WIDTH = 5, 40, 60


@pytest.fixture
def frames() -> np.ndarray:
    """(5, 40, 60, 3): every frame of another grey."""
    greys = 40 * np.arange(1, FRAMES + 1, dtype=np.uint8)
    return np.tile(greys[:, None, None, None], (1, HEIGHT, WIDTH, 3))


@pytest.fixture
def sample() -> ReferringDataSample:
    """Pairs: right positive, rejected positive, right negative, missed negative."""
    square = torch.zeros(FRAMES, HEIGHT, WIDTH, dtype=torch.bool)
    square[:, 10:30, 20:40] = True
    empty = torch.zeros_like(square)
    box = torch.tensor([0.5, 0.5, 1 / 3, 0.5]).expand(FRAMES, 4)
    truth = InstanceData(
        texts=['a square', 'das größte Quadrat', 'a dog', 'un chien à côté'],
        masks=torch.stack([square, square, empty, empty]),
        boxes=torch.stack([box, box, 0 * box, 0 * box]),
        is_negative=torch.tensor([False, False, True, True]),
        kinds=['positive', 'positive', 'other_video', 'attribute'],
    )
    prediction = InstanceData(
        masks=torch.stack([square, empty, empty, square]),
        ungated_masks=torch.stack([square] * 4),
        scores=torch.full((4, FRAMES), 0.75),
        boxes=torch.tensor([20.0, 10, 40, 30]).expand(4, FRAMES, 4),
        consensus=torch.tensor([0.9, 0.2, 0.1, 0.8]),
    )
    sample = ReferringDataSample(
        metainfo={
            'video_id': 'vid/1',
            'frame_ids': [f'{i:05d}' for i in range(FRAMES)],
            'ori_shape': (HEIGHT, WIDTH),
        }
    )
    sample.gt_pairs = truth
    sample.pred_pairs = prediction
    return sample
