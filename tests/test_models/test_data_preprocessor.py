"""Normalizing, padding and stacking clips."""

import pytest
import torch
from mmengine.structures import InstanceData

from r2vos_mm.models.data_preprocessor import ReferringDataPreprocessor
from r2vos_mm.structures import ReferringDataSample

MEAN, STD = (10.0, 20.0, 30.0), (2.0, 4.0, 5.0)


def preprocessor(**kwargs: int) -> ReferringDataPreprocessor:
    return ReferringDataPreprocessor(mean=MEAN, std=STD, **kwargs)


def clip(height: int, width: int, *, value: int = 40, frames: int = 2) -> torch.Tensor:
    return torch.full((frames, 3, height, width), value, dtype=torch.uint8)


def sample(height: int, width: int) -> ReferringDataSample:
    data = ReferringDataSample(metainfo=dict(img_shape=(height, width)))
    data.gt_pairs = InstanceData(masks=torch.ones(1, 2, height, width, dtype=torch.bool))
    return data


def test_each_channel_is_normalized() -> None:
    out = preprocessor(pad_size_divisor=1)(dict(inputs=[clip(4, 6)]), training=True)
    assert out['inputs'].shape == (1, 2, 3, 4, 6)
    # (40 - mean) / std
    assert out['inputs'][0, 0, :, 0, 0].tolist() == [15.0, 5.0, 2.0]
    assert out['data_samples'] is None


def test_clips_of_different_size_are_padded_with_zeros_to_the_divisor() -> None:
    samples = [sample(5, 9), sample(8, 3)]
    out = preprocessor(pad_size_divisor=4)(
        dict(inputs=[clip(5, 9), clip(8, 3)], data_samples=samples), training=True
    )
    # max height 8 -> 8, max width 9 -> 12
    assert out['inputs'].shape == (2, 2, 3, 8, 12)
    assert out['inputs'][0, ..., :5, :9].ne(0).all()
    assert out['inputs'][0, ..., 5:, :].eq(0).all()
    assert out['inputs'][0, ..., 9:].eq(0).all()
    for data, (height, width) in zip(out['data_samples'], [(5, 9), (8, 3)]):
        assert data.batch_input_shape == data.pad_shape == (8, 12)
        assert data.img_shape == (height, width)
        assert data.gt_pairs.masks.shape == (1, 2, 8, 12)
        assert data.gt_pairs.masks.dtype == torch.bool
        assert data.gt_pairs.masks.sum() == 2 * height * width


def test_equal_sizes_give_the_same_as_padding_and_cutting() -> None:
    clips = [torch.randint(0, 256, (2, 3, 6, 7), dtype=torch.uint8) for _ in range(2)]
    fast = preprocessor(pad_size_divisor=1)(dict(inputs=clips), training=True)['inputs']
    padded = preprocessor(pad_size_divisor=4)(dict(inputs=clips), training=True)['inputs']
    torch.testing.assert_close(fast, padded[..., :6, :7])


def test_testing_does_not_pad_and_leaves_the_ground_truth_alone() -> None:
    data = sample(50, 90)  # masks of the file's size
    out = preprocessor()(dict(inputs=[clip(5, 9)], data_samples=[data]), training=False)
    assert out['inputs'].shape == (1, 2, 3, 5, 9)
    assert out['data_samples'][0].gt_pairs.masks.shape == (1, 2, 50, 90)
    assert out['data_samples'][0].batch_input_shape == (5, 9)


def test_the_clips_of_the_caller_are_not_changed() -> None:
    given = clip(5, 9).float()
    preprocessor()(dict(inputs=[given]), training=True)
    assert given.eq(40).all()


def test_samples_without_masks_pass() -> None:
    data = ReferringDataSample()
    data.gt_pairs = InstanceData(texts=['a dog'])
    out = preprocessor()(dict(inputs=[clip(5, 9)], data_samples=[data]), training=True)
    assert 'masks' not in out['data_samples'][0].gt_pairs


def test_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r'different numbers of frames: \[1, 2\].*batch_size=1'):
        preprocessor()(dict(inputs=[clip(5, 9), clip(5, 9, frames=1)]))


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [(dict(mean=(1.0,)), 'need 3 values'), (dict(pad_size_divisor=0), 'at least 1')],
)
def test_bad_arguments(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ReferringDataPreprocessor(**kwargs)
