"""The sample holds its two kinds of pairs, typed."""

import doctest

import pytest
import torch
from mmengine.structures import InstanceData

from r2vos_mm.structures import ReferringDataSample, referring_data_sample


def test_example_of_the_docstring() -> None:
    assert doctest.testmod(referring_data_sample).failed == 0


@pytest.mark.parametrize('name', ['gt_pairs', 'pred_pairs'])
def test_pairs_are_typed_and_can_be_deleted(name: str) -> None:
    sample = ReferringDataSample()
    with pytest.raises(AssertionError):
        setattr(sample, name, dict(texts=['a dog']))
    setattr(sample, name, InstanceData(texts=['a dog']))
    assert name in sample
    delattr(sample, name)
    assert name not in sample


def test_tensors_move_and_lists_stay() -> None:
    sample = ReferringDataSample(metainfo=dict(video_id='v'))
    sample.gt_pairs = InstanceData(texts=['a', 'b'], boxes=torch.zeros(2, 3, 4))
    moved = sample.to('meta')
    assert moved.gt_pairs.boxes.is_meta
    assert moved.gt_pairs.texts == ['a', 'b']
    assert moved.video_id == 'v'
