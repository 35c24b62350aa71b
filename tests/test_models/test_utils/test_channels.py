"""Wrong channels are found when a model is built."""

import pytest
import torch
from mmdet.models.backbones import ResNet, SwinTransformer
from torch import nn
from toy_models import tiny_segmentor

from r2vos_mm.models.backbones import TransformersBackbone, VideoSwinTransformer
from r2vos_mm.models.utils import out_channels

SWIN = dict(embed_dims=24, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8))


class TwoMaps(nn.Module):
    """A user's backbone that declares nothing."""

    def forward(self, frames: torch.Tensor) -> list[torch.Tensor]:
        return [frames[..., ::4, ::4], frames[:, :1, ::8, ::8]]


class TooLarge(nn.Module):
    """A backbone that refuses small frames."""

    def forward(self, frames: torch.Tensor) -> None:
        raise ValueError('frames of 224 x 224 only')


@pytest.mark.parametrize(
    ('backbone', 'expected'),
    [
        (ResNet(18, base_channels=8, out_indices=(0, 1, 2)), [8, 16, 32]),
        (ResNet(50, base_channels=8), [32, 64, 128, 256]),
        (SwinTransformer(**SWIN, out_indices=(1, 2)), [48, 96]),
        (VideoSwinTransformer(**SWIN), [24, 48, 96, 192]),
        (
            TransformersBackbone(
                dict(model_type='convnext', hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
            ),
            [8, 16, 24, 32],
        ),
        (TwoMaps(), [3, 1]),
        (TooLarge(), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_channels_of_any_backbone(backbone, expected):
    backbone.train()
    modes = [module.training for module in backbone.modules()]
    assert out_channels(backbone) == expected
    assert [module.training for module in backbone.modules()] == modes
    assert all(p.grad is None for p in backbone.parameters())


def test_a_model_with_wrong_channels_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r'.*') as caught:
        tiny_segmentor(backbone__base_channels=32)
    message = str(caught.value)
    assert '\n' not in message
    for part in ('ResNet gives maps of [32, 64, 128]', 'neck.in_channels=[64, 128, 256]'):
        assert part in message


def test_channels_of_the_projection_follow_the_necks():
    with pytest.raises(ValueError, match=r'input_proj.in_channels=\[1, 2\], .* are \[128, 256\]'):
        tiny_segmentor(neck__input_proj__in_channels=[1, 2])
    convolutions = tiny_segmentor().neck.input_proj.convs
    assert [x.conv.in_channels for x in convolutions] == [128, 256]
