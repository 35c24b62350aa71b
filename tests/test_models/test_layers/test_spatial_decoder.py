"""The way up of MTTR, step by step."""

import torch
import torch.nn.functional as F

from r2vos_mm.models.layers import SpatialDecoder


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
