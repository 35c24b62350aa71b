"""Comparison of the weights of a checkpoint and a model."""

import pytest
import torch
from torch import nn

from r2vos_mm.utils.state_dict import (
    CheckpointMismatchError,
    check_weights,
    compare_weights,
    tensor_bytes,
    tensors_of,
)


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_own_weights_fit(model: nn.Module) -> None:
    parallel = {f'module.{key}': value for key, value in model.state_dict().items()}
    assert compare_weights(model, model.state_dict()).fits
    assert compare_weights(model, {'state_dict': parallel}).fits


def test_report(model: nn.Module) -> None:
    weights = model.state_dict()
    weights['extra'] = weights.pop('0.weight')
    weights['0.bias'] = torch.zeros(7)
    report = compare_weights(model, weights)
    assert report.missing_keys == ['0.weight']
    assert report.unexpected_keys == ['extra']
    assert str(report) == (
        '5 weights fit; 1 missing from the checkpoint: 0.weight; 1 unknown to the model: extra; '
        '1 of another shape: 0.bias (7,) instead of (3,)'
    )


def test_long_lists_are_cut(model: nn.Module) -> None:
    weights = {**model.state_dict(), **{f'extra{i}': torch.zeros(1) for i in range(9)}}
    assert str(compare_weights(model, weights)).endswith('extra4 and 4 more')


def test_batch_counter_may_be_missing(model: nn.Module) -> None:
    weights = model.state_dict()
    del weights['1.num_batches_tracked']
    assert compare_weights(model, weights).fits


def test_module_may_excuse_missing_keys(model: nn.Module) -> None:
    """As when PyTorch loads: a frozen part that is not saved takes its keys off the list."""
    model[0].register_load_state_dict_post_hook(
        lambda module, keys: keys.missing_keys.__setitem__(
            slice(None), [key for key in keys.missing_keys if not key.startswith('0.')]
        )
    )
    weights = {key: value for key, value in model.state_dict().items() if key[0] == '1'}
    assert compare_weights(model, weights).fits


def test_tensors_that_a_state_dict_leaves_out() -> None:
    model = nn.BatchNorm1d(2)
    model.register_buffer('scratch', torch.zeros(1), persistent=False)
    model._register_state_dict_hook(lambda module, state, prefix, metadata: state.clear())
    assert set(tensors_of(model)) == {
        'weight',
        'bias',
        'running_mean',
        'running_var',
        'num_batches_tracked',
    }


def test_bytes_of_any_type() -> None:
    """1.0 is 0x3F80 in bfloat16; rows of a transposed view follow each other."""
    assert bytes(tensor_bytes(torch.ones(1).bfloat16())) == b'\x80\x3f'
    view = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).T
    assert bytes(tensor_bytes(view)) == bytes([1, 3, 2, 4])
    assert bytes(tensor_bytes(torch.tensor(True))) == b'\x01'


def test_check(model: nn.Module) -> None:
    weights = model.state_dict()
    del weights['0.weight']
    assert (
        check_weights(model, weights, source='a.pth', strict=False).weights.keys() == weights.keys()
    )
    with pytest.raises(CheckpointMismatchError, match=r'a\.pth does not belong to this Sequential'):
        check_weights(model, weights, source='a.pth', strict=True)
    with pytest.raises(CheckpointMismatchError, match='0 weights fit'):
        check_weights(model, {'x': torch.zeros(1)}, source='a.pth', strict=False)


@pytest.mark.parametrize('name', ['model', 'backbone.0.body.conv1.weight', 'extra'])
def test_released_checkpoints_are_told_where_to_be_converted(model: nn.Module, name: str) -> None:
    report = compare_weights(model, {**model.state_dict(), name: torch.zeros(1)})
    with pytest.raises(CheckpointMismatchError) as caught:
        report.require()
    is_told = 'see docs/released_checkpoints.md' in str(caught.value)
    assert is_told == (name != 'extra')
