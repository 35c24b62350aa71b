"""GroundingNeck: backbone maps and sentences to memory, f_early and mask features."""

from dataclasses import replace

import pytest
import torch
from small_necks import C, maps, small_neck
from toy_models import random_text

from r2vos_mm.models.necks import GroundingNeck
from r2vos_mm.structures import ClipFeatures


@pytest.mark.parametrize(('height', 'width'), [(64, 96), (45, 83)])
@torch.no_grad()
def test_shapes(height, width):
    module, text = small_neck(), random_text(3, 5, 4, channels=C)
    padding = torch.zeros(2, 2, height, width, dtype=torch.bool)
    clips = module.project(maps(4, height, width), padding)
    grounded = module.ground(clips, text, torch.tensor([0, 1, 1]))
    sizes = [(-(-height // s), -(-width // s)) for s in (8, 16, 32, 64)]
    assert grounded.memory.shapes == sizes
    assert grounded.memory.tokens.shape == (3, 2, sum(h * w for h, w in sizes), C)
    assert grounded.early.shape == grounded.position.shape == (3, 2, C, *sizes[2])
    assert grounded.padding.shape == (3, 2, *sizes[2])
    assert module.attention_map(grounded).shape == (3, 2, *sizes[2])
    finest = -(-height // 4), -(-width // 4)
    assert module.mask_features(clips, grounded).compute().shape == (3, 2, C, *finest)


@torch.no_grad()
def test_pairs_equal_each_alone():
    module, text = small_neck(), random_text(3, 6, 4, channels=C)
    clip_of, both = torch.tensor([0, 1, 1]), maps(4, 64, 64)
    padding = torch.zeros(2, 2, 64, 64, dtype=torch.bool)
    clips = module.project(both, padding)
    grounded = module.ground(clips, text, clip_of)
    features = module.mask_features(clips, grounded).compute()
    for pair, clip in enumerate(clip_of.tolist()):
        own = module.project([m[2 * clip : 2 * clip + 2] for m in both], padding[:1])
        alone = module.ground(own, text.select(torch.tensor([pair])), torch.tensor([0]))
        torch.testing.assert_close(grounded.early[[pair]], alone.early, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(
            features[[pair]], module.mask_features(own, alone).compute(), atol=1e-5, rtol=1e-4
        )


def padded(clips: ClipFeatures, module: GroundingNeck, size: int) -> ClipFeatures:
    """The same 64 x 64 clip in a batch of ``size``, with rubbish in all padded cells."""
    padding = torch.ones(1, 2, size, size, dtype=torch.bool)
    padding[..., :64, :64] = False
    other = module.project(maps(2, size, size, seed=9), padding)
    levels = []
    for alone, level in zip(clips.levels, other.levels, strict=True):
        level[..., : alone.shape[-2], : alone.shape[-1]] = alone
        levels.append(level)
    return replace(other, levels=levels)


@torch.no_grad()
def test_memory_does_not_depend_on_padding():
    # Behind it group normalizations span the padding, so f_early depends on it a little.
    module, text, clip_of = small_neck(), random_text(4, channels=C), torch.tensor([0])
    clips = module.project(maps(2, 64, 64), torch.zeros(1, 2, 64, 64, dtype=torch.bool))
    batch = padded(clips, module, 128)
    torch.testing.assert_close(batch.valid_ratios, torch.full((1, 4, 2), 0.5))
    alone = module.ground(clips, text, clip_of)
    together = module.ground(batch, text, clip_of)
    for level, (h, w) in enumerate(alone.memory.shapes):
        torch.testing.assert_close(
            together.memory.level(level)[..., :h, :w],
            alone.memory.level(level),
            atol=1e-5,
            rtol=1e-4,
        )
    h, w = alone.padding.shape[-2:]
    assert not together.padding[..., :h, :w].any()
    assert together.padding.sum() == together.padding.numel() * 3 // 4


@torch.no_grad()
def test_every_sentence_and_level_counts():
    module = small_neck()
    clips = module.project(maps(2, 64, 64), torch.zeros(1, 2, 64, 64, dtype=torch.bool))
    text = random_text(3, 3, channels=C)
    early = module.ground(clips, text, torch.tensor([0, 0])).early
    assert not torch.allclose(early[0], early[1], atol=1e-2)
    for index in range(4):
        levels = list(clips.levels)
        levels[index] = levels[index].flip(2)
        other = module.ground(replace(clips, levels=levels), text, torch.tensor([0, 0]))
        assert not torch.allclose(other.early, early, atol=1e-4), index


def test_valid_ratios_are_shares_of_width_and_height():
    padding = torch.zeros(1, 2, 64, 128, dtype=torch.bool)
    padding[..., 48:, :], padding[..., 96:] = True, True
    clips = small_neck().project(maps(2, 64, 128), padding)
    # (width, height); at stride 64 the nearest pixel of the only row is not padded
    assert clips.valid_ratios[0].tolist() == [[0.75, 0.75], [0.75, 0.75], [0.75, 1.0], [1.0, 1.0]]


def test_grounding_level_must_exist():
    with pytest.raises(ValueError, match="grounding_level=4 is not one of the encoder's 4 levels"):
        small_neck(grounding_level=4)


def test_memory_levels_are_the_tokens_in_order():
    module = small_neck()
    clips = module.project(maps(2, 64, 64), torch.zeros(1, 2, 64, 64, dtype=torch.bool))
    memory = module.ground(clips, random_text(2, channels=C), torch.tensor([0])).memory
    joined = torch.cat([memory.level(i).flatten(3) for i in range(4)], dim=3).transpose(2, 3)
    assert torch.equal(joined, memory.tokens)


@pytest.mark.parametrize(('height', 'shared'), [(64, True), (44, False)])
@torch.no_grad()
def test_shared_clips_give_the_same_features(height, shared):
    """44 rows are 11 of stride 4 and 6 of stride 8: the layer cannot be computed in parts."""
    module, text = small_neck(), random_text(3, 5, channels=C)
    clips = module.project(maps(2, height, 64), torch.zeros(1, 2, height, 64, dtype=torch.bool))
    prepared = module.share(clips)
    assert prepared.finest_is_convolved is shared
    grounded = module.ground(clips, text, torch.tensor([0, 0]))
    found, expected = (module.mask_features(x, grounded).maps for x in (prepared, clips))
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
