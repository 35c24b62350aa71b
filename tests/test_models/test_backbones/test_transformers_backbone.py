"""Image backbones of transformers, at toy size and with random weights."""

import pytest
import torch
from torch import nn

from r2vos_mm.models.backbones import TransformersBackbone
from r2vos_mm.registry import MODELS

CONVNEXT = dict(model_type='convnext', hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
SWIN_V2 = dict(
    model_type='swinv2', embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8], window_size=4
)
DINO_V2 = dict(
    model_type='dinov2',
    hidden_size=16,
    num_hidden_layers=4,
    num_attention_heads=2,
    image_size=56,
    patch_size=14,
)
CHANNELS = [(CONVNEXT, (8, 16, 24, 32)), (SWIN_V2, (8, 16, 32, 64)), (DINO_V2, (16, 16, 16, 16))]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(('config', 'channels'), CHANNELS)
def test_maps_have_the_strides_and_channels(config, channels):
    backbone = MODELS.build(dict(type='TransformersBackbone', config=config)).eval()
    assert backbone.out_channels == channels
    maps = backbone(torch.randn(2, 3, 60, 90))
    sizes = [(15, 23), (8, 12), (4, 6), (2, 3)]  # 60 and 90 over 4, 8, 16, 32, rounded up
    assert [tuple(x.shape) for x in maps] == [(2, c, *s) for c, s in zip(channels, sizes)]


def test_own_strides_are_kept_if_asked():
    backbone = TransformersBackbone(DINO_V2, out_indices=(2, 4), strides=None).eval()
    maps = backbone(torch.randn(1, 3, 42, 60))  # 60 pixels are resized to five patches of 14
    assert [tuple(x.shape) for x in maps] == [(1, 16, 3, 5)] * 2
    native = backbone.model(torch.zeros(1, 3, 42, 70)).feature_maps
    found = backbone(torch.zeros(1, 3, 42, 60))
    for ours, theirs in zip(found, native, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize('frozen', [True, False])
def test_frozen_weights_stay_and_the_model_stays_in_eval_mode(frozen):
    backbone = TransformersBackbone(CONVNEXT, frozen=frozen).train()
    assert backbone.model.training is not frozen
    assert all(p.requires_grad is not frozen for p in backbone.parameters())


def test_weights_of_a_folder_survive_init_weights(tmp_path):
    source = TransformersBackbone(CONVNEXT).eval()
    source.model.save_pretrained(tmp_path)
    loaded = TransformersBackbone(str(tmp_path)).eval()
    loaded.init_weights()
    frames = torch.randn(1, 3, 32, 32)
    for ours, theirs in zip(loaded(frames), source(frames), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_errors_name_the_folder_and_the_settings(tmp_path):
    with pytest.raises(OSError, match=f'backbone .{tmp_path}. cannot be loaded'):
        TransformersBackbone(str(tmp_path))
    with pytest.raises(ValueError, match=r'strides=\(4, 8\) needs one number for each of out_ind'):
        TransformersBackbone(CONVNEXT, strides=(4, 8))


@pytest.mark.parametrize(('config', 'channels'), CHANNELS[:1] + CHANNELS[2:])
def test_a_model_trains_with_it(config, channels):
    from toy_models import clip, sample, tiny_segmentor

    model = tiny_segmentor(
        backbone=dict(
            _delete_=True,
            type='TransformersBackbone',
            config=config,
            out_indices=(1, 2, 3),
            strides=(4, 8, 16),
        ),
        neck__in_channels=list(channels[:3]),
    )
    item = sample(['a red circle', 'a boat'], [False, True], size=(32, 32))
    data = dict(inputs=[clip(0, 2, 3, 32, 32)], data_samples=[item])
    losses = model(**model.data_preprocessor(data, training=True), mode='loss')
    model.parse_losses(losses)[0].backward()
    convolution = next(m for m in model.backbone.modules() if isinstance(m, nn.Conv2d))
    assert convolution.weight.grad.abs().sum() > 0
