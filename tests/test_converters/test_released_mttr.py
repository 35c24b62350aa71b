"""Every tensor of a released MTTR checkpoint has its place in both directions."""

import re

import pytest
import torch
from mmengine.config import Config
from mttr_extracts import load_extract
from released_extracts import empty, released_shapes
from toy_models import CONFIGS

from r2vos_mm.converters import (
    MTTR,
    files,
    load_converted,
    model_like,
    read_released_checkpoint,
    window_positions,
)
from r2vos_mm.utils.state_dict import CheckpointMismatchError

POSITIONS = 'transformer.text_encoder.embeddings.position_ids'


@pytest.fixture(scope='module')
def names() -> dict[str, tuple[int, ...]]:
    return load_extract()['names']


def test_names_are_those_of_the_reference_data(test_data, names):
    assert names == released_shapes(test_data / 'golden/mttr_video_swin_t.names.txt')


def test_all_474_tensors_survive_both_directions(names):
    assert len(names) == 474
    converted = MTTR.to_ours(empty(names) | {POSITIONS: torch.arange(514)[None]})
    # relative positions of ten attention blocks
    implied = [name for name in names if name.endswith('relative_position_index')]
    assert len(implied) == 10
    assert set(converted.implied) == {POSITIONS, *implied}
    assert not converted.unknown
    assert not converted.aliases
    assert len(converted.weights) == 474 - 10
    back = MTTR.to_released(converted.weights).weights
    assert {name: tuple(tensor.shape) for name, tensor in back.items()} == {
        name: shape for name, shape in names.items() if name not in implied
    }
    # a file has these, too, computed: the public code loads strictly
    assert {name: tuple(tensor.shape) for name, tensor in window_positions(back).items()} == {
        name: names[name] for name in implied
    }


def test_relative_positions_of_a_window_of_seven_by_seven():
    """Row (row offset + 6) * 13 + column offset + 6 of the table, for query minus key."""
    found = window_positions(
        {
            'a.relative_position_bias_table': torch.zeros(169, 3),
            'b.relative_position_bias_table': torch.zeros(9, 3),
        }
    )
    index = found.pop('a.relative_position_index')
    assert not found
    assert (index.shape, index.dtype) == ((49, 49), torch.int64)
    assert index[0, 0] == 6 * 13 + 6
    assert index[0, 1] == 6 * 13 + 5
    assert index[7, 0] == 7 * 13 + 6
    assert index[48, 0] == 12 * 13 + 12


def test_the_file_is_laid_out_as_the_public_one(names, tmp_path, monkeypatch):
    monkeypatch.setattr(files, 'model_like', lambda config, weights: None)
    monkeypatch.setattr(files, 'load_converted', lambda *args, **kwargs: None)
    ours = MTTR.to_ours(
        {
            name: torch.zeros(shape)
            for name, shape in names.items()
            if 'text_encoder.encoder' not in name
        }
    ).weights
    torch.save(dict(state_dict=ours), tmp_path / 'ours.pth')
    content = files.restore_released(MTTR, {}, tmp_path / 'ours.pth').content
    assert list(content) == ['model_state_dict']
    assert content['model_state_dict'].keys() == {
        name for name in names if 'text_encoder.encoder' not in name
    }


def test_weights_fit_the_config_completely(names):
    config = Config.fromfile(
        CONFIGS / 'mttr/mttr_video-swin-t_4xb1-30e_ref-ytvos-12f.py'
    ).model.to_dict()
    # a language model of one layer, as the names tell its size
    weights = MTTR.to_ours(
        empty(
            {name: shape for name, shape in names.items() if not re.search(r'layer\.[1-9]', name)}
        )
    )
    model = model_like(config, weights.weights)
    assert model.text_encoder.language_model.pooler is None
    assert load_converted(model, weights.weights, source='file.pth').fits
    name = 'mask_head.referred_branch.weight'
    for changed, message in (
        (
            {key: value for key, value in weights.weights.items() if key != name},
            f'missing from the checkpoint: {name}',
        ),
        (weights.weights | {name: torch.zeros(3, 256)}, r'\(3, 256\) instead of'),
        (weights.weights | dict(other=torch.zeros(1)), 'unknown to the model: other'),
    ):
        with pytest.raises(CheckpointMismatchError, match=message):
            load_converted(model, changed, source='file.pth')


def test_norms_and_layers_keep_their_order():
    for index in range(3):
        name = f'transformer.decoder.layers.1.norm{index + 1}.weight'
        state = {
            name: torch.full((4,), float(index)),
            'backbone.patch_embed.proj.weight': torch.zeros(4, 3, 1, 4, 4),
        }
        converted = MTTR.to_ours(state).weights
        assert (converted[f'mask_head.decoder.layers.1.norms.{index}.weight'] == index).all()


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('extra', 'extra is not a tensor of that model'),
        ('backbone.head.weight', 'backbone.head.weight is not a tensor of that backbone'),
        ('transformer.text_proj.weight', 'is not a tensor of that model'),
    ],
)
def test_unknown_tensors_are_refused(names, name, message):
    with pytest.raises(CheckpointMismatchError, match=re.escape(message)):
        MTTR.to_ours(empty(names) | {name: torch.zeros(1)}, source='file.pth')


def test_foreign_weights_are_refused():
    with pytest.raises(
        CheckpointMismatchError, match=r'file\.pth is not a released MTTR checkpoint'
    ):
        MTTR.to_ours(dict(conv=torch.zeros(3)), source='file.pth')


def test_file_of_the_training_script_is_read(tmp_path):
    weights = {'obj_queries.weight': torch.randn(50, 256)}
    torch.save(dict(model_state_dict=weights, epoch=3, total_loss=1.5), tmp_path / 'released.tar')
    state = read_released_checkpoint(tmp_path / 'released.tar')
    assert torch.equal(state['obj_queries.weight'], weights['obj_queries.weight'])
