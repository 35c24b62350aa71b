"""The top-down path."""

import pytest
import torch
import torch.nn.functional as F

from r2vos_mm.models.layers import TopDownPyramid


def test_each_step_adds_the_upsampled_map_to_the_lateral():
    torch.manual_seed(0)
    module = TopDownPyramid(8, num_laterals=2, num_groups=2)
    early, memory, finest = (torch.randn(1, 8, *size) for size in ((2, 3), (3, 5), (6, 9)))
    step = module.layers[0](module.adapters[0](memory) + F.interpolate(early, size=(3, 5)))
    step = module.layers[1](finest + F.interpolate(step, size=(6, 9)))
    torch.testing.assert_close(module(early, [memory], finest), module.mask_features(step))


def test_a_wrong_number_of_maps_is_an_error():
    maps = torch.randn(1, 8, 2, 2)
    with pytest.raises(ValueError, match='zip'):
        TopDownPyramid(8, num_laterals=2, num_groups=2)(maps, [maps, maps], maps)
