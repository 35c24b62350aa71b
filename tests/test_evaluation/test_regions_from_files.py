"""Void and foreground pixels on their way from the files to the metric."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mask_sets import LEFT, RIGHT, save
from mmengine.structures import InstanceData
from samples import evaluate

from r2vos_mm.datasets import R2VOSDataset
from r2vos_mm.structures import ReferringDataSample
from r2vos_mm.utils.data_issues import DataFileError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A video of one frame: object 1, object 2 that no sentence names, and void rows."""
    ids = LEFT + 2 * RIGHT
    ids[17:] = 255
    save(tmp_path / 'valid' / 'Annotations' / 'a' / '00000.png', ids)
    save(tmp_path / 'valid' / 'JPEGImages' / 'a' / '00000.jpg', LEFT, 'RGB')
    expressions = {'0': {'exp': 'left', 'obj_id': '1'}}
    path = tmp_path / 'meta_expressions' / 'valid' / 'meta_expressions.json'
    path.parent.mkdir(parents=True)
    videos = {'a': {'expressions': expressions, 'frames': ['00000']}}
    path.write_text(json.dumps({'videos': videos}))
    return tmp_path


def sample_of(root: Path, pred: np.ndarray, **options) -> ReferringDataSample:
    """The sample as the loader packs it, with a prediction (H, W) bool."""
    frame = [dict(type='LoadVideoFrame'), dict(type='LoadMasks')]
    pipeline = [
        dict(type='TransformBroadcaster', transforms=frame),
        dict(type='PackReferringInputs', **options),
    ]
    dataset = R2VOSDataset(data_root=str(root), split='valid', test_mode=True, pipeline=pipeline)
    sample = dataset[0]['data_samples']
    masks = torch.from_numpy(pred[None, None])
    sample.pred_pairs = InstanceData(masks=masks, scores=torch.ones(1, 1))
    return sample


def test_void_pixels_of_davis_are_left_out(root):
    pred = LEFT > 0
    pred[17:] = True
    plain = evaluate([sample_of(root, pred)], protocols=['davis_unsup'])
    without = evaluate([sample_of(root, pred, void_id=255)], protocols=['davis_unsup'])
    # 100 px of the object, 150 void ones predicted
    assert plain['J'] == pytest.approx(100 * 100 / 250)
    assert without['J'] == without['F'] == 100


def test_foreground_is_every_object_but_void(root):
    pred = (LEFT + RIGHT) > 0
    sample = sample_of(root, pred, void_id=255, with_foreground=True)
    assert sample.gt_foreground.sum() == 200
    # 100 px outside of the object of 200 px of both
    assert evaluate([sample], groups=['visa'])['visa_R'] == pytest.approx(50)


def test_nothing_is_added_unasked(root):
    sample = sample_of(root, LEFT > 0)
    assert 'gt_void' not in sample
    assert 'gt_foreground' not in sample


def test_masks_of_0_and_255_give_no_score(root):
    save(root / 'valid' / 'Annotations' / 'a' / '00000.png', 255 * LEFT)
    nothing = np.zeros(LEFT.shape, dtype=bool)
    values = evaluate([sample_of(root, nothing)], protocols=['per_expression', 'davis_unsup'])
    assert np.isnan([values['J'], values['F'], values['davis_unsup/J&F']]).all()


def test_annotations_that_cannot_be_read_are_no_empty_masks(root):
    path = root / 'valid' / 'Annotations' / 'a' / '00000.png'
    path.write_bytes(b'')
    with pytest.raises(DataFileError, match='00000'):
        sample_of(root, LEFT > 0)
    path.unlink()
    assert np.isnan(evaluate([sample_of(root, LEFT > 0)])['J'])
