"""Every tensor of a released checkpoint has its place, there and back."""

import re

import pytest
import torch
from mmengine.config import Config
from released_extracts import empty, load_extract, released_shapes
from released_toys import released_weights as make_weights
from released_toys import small_config, write_released
from torch import Tensor
from toy_models import CONFIGS

from r2vos_mm.converters import (
    R2VOS,
    load_converted,
    model_like,
    read_released_checkpoint,
    restore_swin,
)
from r2vos_mm.models.backbones import convert_swin, convert_video_swin
from r2vos_mm.registry import MODELS
from r2vos_mm.utils.checkpoint import CheckpointReadError
from r2vos_mm.utils.state_dict import CheckpointMismatchError, compare_weights

POSITIONS = 'text_encoder.embeddings.position_ids'


@pytest.fixture(scope='module')
def names() -> dict[str, tuple[int, ...]]:
    return load_extract()['names']


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    return make_weights(small_config(tmp_path_factory.mktemp('config')))


def test_names_are_those_of_the_reference_data(test_data, names):
    assert names == released_shapes(test_data / 'golden/r2vos_r50_released.names.txt')


@pytest.mark.parametrize(
    ('backbone', 'config'),
    [
        ('resnet50', 'r50'),
        ('swin_t_p4w7', 'swin-t'),
        ('video_swin_t_p4w7', 'video-swin-t'),
        ('video_swin_b_p4w7', 'video-swin-b'),
    ],
)
def test_referformer_differs_in_its_pixel_decoder_only(test_data, names, backbone, config):
    """ReferFormer's names, with every backbone; each tensor that is known fits the config."""
    given = released_shapes(test_data / f'golden/rf_{backbone}.names.txt')
    converted = R2VOS.to_ours(empty(given), partial=True)
    assert all(re.match(r'pixel_decoder\.cross_attn_\d\.', name) for name in converted.unknown)
    assert all(name.endswith('relative_position_index') for name in converted.implied)
    assert len(converted.aliases) == 24
    back = R2VOS.to_released(converted.weights)
    kept = given.keys() - set(converted.unknown) - set(converted.implied)
    assert {n: tuple(t.shape) for n, t in back.weights.items()} == {n: given[n] for n in kept}
    name = f'r2vos-released_{config}_8xb1-6e_ref-ytvos.py'
    model = Config.fromfile(CONFIGS / 'r2vos/released' / name).model
    expected = MODELS.build(dict(model.backbone, init_cfg=None)).state_dict()
    found = {
        name.removeprefix('backbone.'): tensor.shape
        for name, tensor in converted.weights.items()
        if name.startswith('backbone.')
    }
    assert found == {
        name: tensor.shape
        for name, tensor in expected.items()
        if not name.endswith('num_batches_tracked')
    }


def test_all_745_tensors_survive_both_directions(names):
    assert len(names) == 745
    state = empty(names) | {POSITIONS: torch.arange(514)[None]}
    converted = R2VOS.to_ours(state)
    assert converted.implied == (POSITIONS,)
    assert len(converted.aliases) == 24
    assert not converted.unknown
    # 4 fused attentions of three parts, weight and bias; 1 fused projection of two
    assert len(converted.weights) == 745 - 24 + 4 * 2 * 2 + 2
    back = R2VOS.to_released(converted.weights)
    assert {name: tuple(tensor.shape) for name, tensor in back.weights.items()} == names


def test_values_survive_both_directions(weights):
    back = R2VOS.to_released(R2VOS.to_ours(weights).weights).weights
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[name], weights[name]) for name in weights)


def test_fused_projections_are_split_in_order(weights):
    converted = R2VOS.to_ours(weights).weights
    fused = weights['fusion_module.multihead_attn.in_proj_weight']
    for row, part in enumerate(('query', 'key', 'value')):
        assert torch.equal(
            converted[f'neck.fusion.attention.{part}_proj.weight'],
            fused[256 * row : 256 * (row + 1)],
        )
    fused = weights['pixel_decoder.cross_attn.proj_v_kv.bias']
    assert torch.equal(converted['neck.grounding.attention.vision_key.bias'], fused[:256])
    assert torch.equal(converted['neck.grounding.attention.vision_value.bias'], fused[256:])


def test_instance_decoder_norms_are_reordered(weights):
    """The released norm1 follows the cross-attention, which comes second."""
    converted = R2VOS.to_ours(weights).weights
    released, ours = 'transformer.decoder.layers.1', 'mask_head.decoder.layers.1'
    for index, number in enumerate((2, 1, 3)):
        assert torch.equal(
            converted[f'{ours}.norms.{index}.weight'], weights[f'{released}.norm{number}.weight']
        )


def test_file_of_the_training_script_is_read(weights, tmp_path):
    file = write_released(weights, tmp_path / 'checkpoint.pth')
    state = read_released_checkpoint(file)
    assert state.keys() == weights.keys() | {POSITIONS}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(extra=torch.zeros(3)), 'extra is not a tensor of that model'),
        (
            {'bbox_embed.0.layers.0.bias': torch.zeros(256)},
            'differs from bbox_embed.0.layers.0.bias',
        ),
        ({'transformer.decoder.bbox_embed.9.layers.0.bias': torch.zeros(256)}, 'has no original'),
        ({'fusion_module.multihead_attn.in_proj_bias': torch.zeros(767)}, 'not a stack of 3 parts'),
        (
            {'backbone.0.body.patch_embed.proj.weight': torch.zeros(4, 3, 1, 4, 4)},
            'not a tensor of that backbone',
        ),
    ],
)
def test_tampered_weights_are_refused(weights, change, message):
    with pytest.raises(CheckpointMismatchError, match=re.escape(message)):
        R2VOS.to_ours(weights | change, source='file.pth')


def test_foreign_weights_are_refused():
    with pytest.raises(CheckpointMismatchError, match=r'file\.pth is not a released R2-VOS'):
        R2VOS.to_ours(dict(conv=torch.zeros(3)), source='file.pth')
    with pytest.raises(CheckpointMismatchError, match='no counterpart in the released model'):
        R2VOS.to_released({'mask_head.mask_predictor.weights.0.bias': torch.zeros(256)})


def test_incomplete_stack_is_refused(weights):
    converted = R2VOS.to_ours(weights).weights
    del converted['neck.fusion.attention.key_proj.bias']
    with pytest.raises(CheckpointMismatchError, match='in_proj_bias needs 3 parts, 2 were given'):
        R2VOS.to_released(converted)


def test_missing_and_misshaped_tensors_are_refused(weights, tmp_path):
    config = Config.fromfile(small_config(tmp_path)).model.to_dict()
    converted = R2VOS.to_ours(weights).weights
    model = model_like(config, converted)
    assert load_converted(model, converted, source='file.pth').fits
    name = 'mask_head.query_position.weight'
    for changed, message in (
        (
            {key: value for key, value in converted.items() if key != name},
            f'missing from the checkpoint: {name}',
        ),
        (converted | {name: torch.zeros(7, 256)}, r'query_position.weight \(7, 256\) instead of'),
        (converted | {name: converted[name].long()}, 'torch.int64 instead of torch.float32'),
        (converted | dict(other=torch.zeros(1)), 'unknown to the model: other'),
    ):
        with pytest.raises(CheckpointMismatchError, match=message):
            load_converted(model, changed, source='file.pth')
    report = load_converted(
        model,
        converted | {name: torch.zeros(7, 256), 'other': torch.zeros(1)},
        source='file.pth',
        partial=True,
    )
    assert report.unexpected_keys == ['other']
    assert list(report.reshaped_keys) == [name]
    assert not report.missing_keys


def test_converted_weights_pass_the_check_of_tests_and_replace_a_language_model(weights, tmp_path):
    """A frozen language model is not saved by default; a checkpoint may bring one all the same."""
    converted = R2VOS.to_ours(weights).weights
    model = model_like(Config.fromfile(small_config(tmp_path)).model.to_dict(), converted)
    assert compare_weights(model, dict(state_dict=converted)).fits
    name = 'text_encoder.language_model.pooler.dense.bias'
    assert not compare_weights(model, converted | {name: torch.zeros(3)}).fits
    assert name not in model.state_dict()
    model.load_state_dict(converted)
    assert torch.equal(model.state_dict()[name], converted[name])


@pytest.mark.parametrize('broken', [b'', b'no checkpoint', 'cut'])
def test_damaged_file_is_refused(weights, tmp_path, broken):
    file = write_released(weights, tmp_path / 'checkpoint.pth')
    file.write_bytes(file.read_bytes()[:5000] if broken == 'cut' else broken)
    with pytest.raises(CheckpointReadError, match='cannot be read'):
        read_released_checkpoint(file)


def test_objects_are_not_unpickled(tmp_path):
    torch.save(dict(model=dict(a=torch.zeros(1)), hook=pytest.raises), tmp_path / 'bad.pth')
    with pytest.raises(CheckpointReadError, match='bad.pth holds an object of class'):
        read_released_checkpoint(tmp_path / 'bad.pth')


def test_swins_survive_both_directions():
    prefix = 'backbone.0.body.'
    torch.manual_seed(0)
    swin = {
        'patch_embed.proj.weight': torch.randn(4, 3, 4, 4),
        'norm0.bias': torch.randn(4),
        'layers.0.blocks.1.attn.qkv.weight': torch.randn(12, 4),
        'layers.0.blocks.1.attn.relative_position_bias_table': torch.randn(9, 1),
        'layers.0.blocks.1.mlp.fc1.weight': torch.randn(16, 4),
        'layers.0.blocks.1.mlp.fc2.bias': torch.randn(4),
        'layers.0.downsample.reduction.weight': torch.randn(8, 16),
        'layers.0.downsample.norm.bias': torch.randn(16),
    }
    back = restore_swin(convert_swin({prefix + n: t for n, t in swin.items()}).weights)
    assert back.keys() == swin.keys()
    assert all(torch.equal(back[name], swin[name]) for name in swin)
    video = {
        'patch_embed.proj.weight': torch.randn(4, 3, 1, 4, 4),
        'downsamples.0.reduction.weight': torch.randn(8, 16),
    }
    back = convert_video_swin({prefix + n: t for n, t in video.items()}).weights
    assert back.keys() == video.keys()  # one set of names
    assert all(torch.equal(back[name], video[name]) for name in video)
