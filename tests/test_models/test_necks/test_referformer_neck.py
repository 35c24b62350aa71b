"""ReferFormerNeck: text at every level on the way to the mask features."""

import pytest
import torch
from small_necks import C, maps, small_neck
from toy_models import random_text

from r2vos_mm.models.necks import ReferFormerNeck

BLOCK = dict(type='VisionLanguageBlock', channels=C, num_heads=2, hidden=8)


def neck() -> ReferFormerNeck:
    return small_neck(
        type='ReferFormerNeck',
        grounding=dict(type='CrossModalGrounding', channels=C, block=BLOCK),
        pyramid=dict(type='CrossModalPyramid', channels=C, block=BLOCK, reductions=(2, 4, 8)),
    )


@pytest.mark.parametrize(('height', 'width'), [(64, 96), (45, 83), (20, 20)])
@torch.no_grad()
def test_shapes(height, width):
    module, text = neck(), random_text(3, 5, 4, channels=C)
    padding = torch.zeros(2, 2, height, width, dtype=torch.bool)
    clips = module.project(maps(4, height, width), padding)
    grounded = module.ground(clips, text, torch.tensor([0, 1, 1]))
    coarsest, finest = ((-(-height // s), -(-width // s)) for s in (32, 4))
    assert grounded.early.shape == (3, 2, C, *coarsest)
    assert module.attention_map(grounded).shape == (3, 2, *coarsest)
    assert module.mask_features(clips, grounded).compute().shape == (3, 2, C, *finest)


@torch.no_grad()
def test_pairs_equal_each_alone_and_can_be_selected():
    module, text = neck(), random_text(3, 6, 4, channels=C)
    clip_of, both = torch.tensor([0, 1, 1]), maps(4, 64, 64)
    padding = torch.zeros(2, 2, 64, 64, dtype=torch.bool)
    clips = module.project(both, padding)
    grounded = module.ground(clips, text, clip_of)
    features = module.mask_features(clips, grounded).compute()
    for pair, clip in enumerate(clip_of.tolist()):
        own = module.project([m[2 * clip : 2 * clip + 2] for m in both], padding[:1])
        alone = module.ground(own, text.select(torch.tensor([pair])), torch.tensor([0]))
        torch.testing.assert_close(
            features[[pair]], module.mask_features(own, alone).compute(), atol=1e-4, rtol=1e-4
        )
    some = torch.tensor([True, False, True])
    torch.testing.assert_close(
        module.mask_features(clips, grounded.select(some)).compute(),
        features[some],
        atol=1e-5,
        rtol=1e-4,
    )


@torch.no_grad()
def test_stride_four_sees_itself_once_per_clip():
    module, text = neck(), random_text(3, 6, 4, channels=C)
    rows = []
    module.pyramid.blocks[-1].vision_norm.register_forward_hook(
        lambda *call: rows.append(len(call[-1]))
    )
    clips = module.project(maps(2, 64, 64), torch.zeros(1, 2, 64, 64, dtype=torch.bool))
    module.mask_features(clips, module.ground(clips, text, torch.tensor([0, 0, 0])))
    assert rows == [1]


@torch.no_grad()
def test_text_and_every_level_count():
    module = neck()
    padding = torch.zeros(1, 2, 64, 64, dtype=torch.bool)
    backbone = maps(2, 64, 64)
    text = random_text(3, 3, channels=C)

    def features(levels: list[torch.Tensor]) -> torch.Tensor:
        clips = module.project(levels, padding)
        return module.mask_features(
            clips, module.ground(clips, text, torch.tensor([0, 0]))
        ).compute()

    expected = features(backbone)
    assert not torch.allclose(expected[0], expected[1], atol=1e-3)
    for index in range(4):
        changed = list(backbone)
        changed[index] = changed[index].flip(2)
        assert not torch.allclose(features(changed), expected, atol=1e-4), index
