"""The top-down paths, step by step."""

import pytest
import torch
import torch.nn.functional as F

from r2vos_mm.models.layers import SpatialDecoder, TopDownPyramid
from r2vos_mm.models.layers.pyramids import convolve_upsampled


def test_each_step_adds_the_upsampled_map_to_the_lateral():
    torch.manual_seed(0)
    module = TopDownPyramid(8, num_laterals=2, num_groups=2)
    early, memory, finest = (torch.randn(1, 1, 8, *size) for size in ((2, 3), (3, 5), (6, 9)))
    found = module(early, [memory], finest).compute()
    early, memory, finest = early[0], memory[0], finest[0]
    step = module.layers[0](module.adapters[0](memory) + F.interpolate(early, size=(3, 5)))
    step = module.layers[1](finest + F.interpolate(step, size=(6, 9)))
    torch.testing.assert_close(found[0], module.mask_features(step))


def test_a_wrong_number_of_maps_is_an_error():
    maps = torch.randn(1, 1, 8, 2, 2)
    with pytest.raises(ValueError, match='zip'):
        TopDownPyramid(8, num_laterals=2, num_groups=2)(maps, [maps, maps], maps)


def test_channels_are_halved_and_laterals_are_added_before_the_layer():
    torch.manual_seed(0)
    decoder = SpatialDecoder(lateral_channels=[24, 12], channels=64, mask_channels=5, num_groups=4)
    decoder.init_weights()
    assert [layer.conv.out_channels for layer in decoder.layers] == [64, 32, 16, 8]
    encoded, eighth, fourth = (torch.randn(2, c, s, s + 1) for c, s in ((64, 3), (24, 6), (12, 11)))
    laterals = decoder.adapt([eighth, fourth])
    found = decoder(encoded, laterals)
    assert found.shape == (2, 5, 11, 12)
    features = decoder.layers[1](decoder.layers[0](encoded))
    features = decoder.layers[2](F.interpolate(features, (6, 7)) + laterals[0])
    features = decoder.layers[3](F.interpolate(features, (11, 12)) + laterals[1])
    torch.testing.assert_close(found, decoder.mask_features(features))


@pytest.mark.parametrize('size', [(1, 1), (3, 5)])
def test_convolution_of_the_upsampled_map_is_made_of_four(size):
    torch.manual_seed(0)
    maps, weight = torch.randn(2, 4, *size), torch.randn(6, 4, 3, 3)
    expected = F.conv2d(F.interpolate(maps, scale_factor=2.0), weight, padding=1)
    torch.testing.assert_close(convolve_upsampled(maps, weight), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('laterals', [1, 2])
def test_shared_part_of_the_last_layer_changes_nothing(laterals):
    torch.manual_seed(0)
    module = TopDownPyramid(8, num_laterals=laterals, num_groups=2)
    memory = [torch.randn(2, 3, 8, 6, 10)][: laterals - 1]
    early = torch.randn(2, 3, 8, 6, 10) if not memory else torch.randn(2, 3, 8, 3, 5)
    finest = torch.randn(2, 3, 8, 12, 20)
    expected = module(early, memory, finest).maps
    found = module(early, memory, module.share(finest), finest_is_convolved=True).maps
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
