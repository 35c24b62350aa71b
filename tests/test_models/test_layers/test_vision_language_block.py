"""Vision-language blocks and the pyramid of them, against their description in plain PyTorch."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from toy_models import random_text

from r2vos_mm.models.layers import (
    CrossModalGrounding,
    CrossModalPyramid,
    VisionLanguageBlock,
    word_positions,
)
from r2vos_mm.structures import ClipMaps, TextFeatures

C, HEADS = 16, 2
BLOCK = dict(type='VisionLanguageBlock', channels=C, num_heads=HEADS, hidden=8)


def block(reduction: int = 1) -> VisionLanguageBlock:
    torch.manual_seed(0)
    module = VisionLanguageBlock(C, num_heads=HEADS, hidden=8, reduction=reduction)
    module.init_weights()
    for parameter in module.parameters():  # biases and norms that matter
        if parameter.ndim == 1:
            nn.init.normal_(parameter, 0.5, 0.5)
    return module.eval()


def maps(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain_attention(ours: nn.Module) -> nn.MultiheadAttention:
    """PyTorch's attention with the same weights."""
    theirs = nn.MultiheadAttention(C, HEADS, batch_first=True).eval()
    parts = (ours.query_proj, ours.key_proj, ours.value_proj)
    theirs.in_proj_weight.data = torch.cat([part.weight for part in parts])
    theirs.in_proj_bias.data = torch.cat([part.bias for part in parts])
    theirs.out_proj.load_state_dict(ours.out_proj.state_dict())
    return theirs


def described(module: VisionLanguageBlock, one: ClipMaps, text: TextFeatures) -> Tensor:
    """One pair, step by step: q = k = x + p and v = x on the coarse grid, frame after frame."""
    vision, position = one.cells[0], one.position[0]
    frames, _, height, width = vision.shape
    size = (height // module.reduction, width // module.reduction)

    def rows(x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).reshape(1, -1, C)

    query = rows(F.interpolate(vision + position, size=size, mode='nearest'))
    value = rows(F.interpolate(vision, size=size, mode='nearest'))
    hidden = F.interpolate(one.padding[0, :, None].float(), size=size, mode='nearest').reshape(
        1, -1
    )
    update = plain_attention(module.vision_attention)(
        query, query, value, key_padding_mask=hidden.bool()
    )[0]
    update = F.interpolate(
        update.reshape(frames, *size, C).permute(0, 3, 1, 2),
        size=(height, width),
        mode='bilinear',
        align_corners=False,
    )
    x = module.vision_norm(rows(vision) + rows(update))
    words = text.words + word_positions(text)
    update = plain_attention(module.text_attention)(
        x + rows(position), words, text.words, key_padding_mask=text.padding
    )[0]
    x = module.tail.update_norm(x + update)
    x = module.tail.ffn_norm(x + module.tail.ffn[3](module.tail.ffn[0](x).relu()))
    return x.reshape(frames, height, width, C).permute(0, 3, 1, 2)


@pytest.mark.parametrize('reduction', [1, 2, 3])
@torch.no_grad()
def test_block_is_what_is_described(reduction):
    """7 x 9 cells: 3 x 4 of reduction 2, 2 x 3 of reduction 3."""
    module, text = block(reduction), random_text(5, 3, channels=C)
    padding = torch.zeros(2, 3, 7, 9, dtype=torch.bool)
    padding[1, :, 5:] = True
    vision = ClipMaps(maps(2, 3, C, 7, 9), maps(2, 3, C, 7, 9, seed=1), padding)
    found = module(vision, text)
    for row in range(2):
        one = torch.tensor([row])
        expected = described(module, vision.select(one), text.select(one))
        torch.testing.assert_close(found[row], expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_map_smaller_than_the_reduction_is_one_cell():
    module, text = block(8), random_text(3, channels=C)
    cells, padding = maps(1, 2, C, 3, 5), torch.zeros(1, 2, 3, 5, dtype=torch.bool)
    assert module(ClipMaps(cells, cells, padding), text).isfinite().all()


@torch.no_grad()
def test_padding_is_not_seen():
    """Rubbish in padded cells and words leaves the others as they are."""
    module, text = block(), random_text(5, 3, channels=C)
    padding = torch.zeros(2, 2, 4, 4, dtype=torch.bool)
    padding[..., 3:] = True
    vision = ClipMaps(maps(2, 2, C, 4, 4), maps(2, 2, C, 4, 4, seed=1), padding)
    before = module(vision, text)
    words = text.words.masked_fill(text.padding[..., None], 9.0)
    other = replace(vision, cells=vision.cells.masked_fill(padding[:, :, None], 9.0))
    after = module(other, TextFeatures(words, text.sentence, text.padding))
    torch.testing.assert_close(after[..., :3], before[..., :3])


@torch.no_grad()
def test_frames_see_each_other_in_vision_only():
    module, text = block(), random_text(4, channels=C)
    vision, position = maps(1, 2, C, 4, 4), maps(1, 2, C, 4, 4, seed=1)
    padding = torch.zeros(1, 2, 4, 4, dtype=torch.bool)
    other = vision.clone()
    other[:, 1] += 1
    clips = (ClipMaps(cells, position, padding) for cells in (vision, other))
    seen = [module.attend_vision(clip)[:, 0] for clip in clips]
    assert not torch.allclose(*seen, atol=1e-3)
    alone = [module.attend_text(x, position, text)[:, 0] for x in (vision, other)]
    torch.testing.assert_close(*alone)


@torch.no_grad()
def test_attention_map_is_a_distribution_over_real_cells():
    module = CrossModalGrounding(block=BLOCK, channels=C).eval()
    text = random_text(5, 3, channels=C)
    cells, padding = maps(2, 2, C, 4, 6), torch.zeros(2, 2, 4, 6, dtype=torch.bool)
    padding[..., 4:] = True
    weights = module.attention_map(ClipMaps(cells, cells, padding), text)
    assert weights.shape == (2, 2, 4, 6)
    assert (weights[padding] == 0).all()
    torch.testing.assert_close(weights.sum(dim=(1, 2, 3)), torch.ones(2))


@torch.no_grad()
def test_pyramid_reads_text_at_every_level():
    torch.manual_seed(0)
    module = CrossModalPyramid(block=BLOCK, reductions=(2, 4), channels=C).eval()
    module.init_weights()
    text, other = (random_text(4, channels=C, seed=seed) for seed in (0, 1))
    padding = torch.zeros(1, 2, 4, 4, dtype=torch.bool)
    level = ClipMaps(maps(1, 2, C, 4, 4, seed=1), maps(1, 2, C, 4, 4, seed=2), padding)
    early, finest, position = maps(1, 2, C, 2, 2), maps(1, 2, C, 8, 8), maps(1, 2, C, 8, 8, seed=3)
    features = module(early, [level], finest, position, text).compute()
    assert features.shape == (1, 2, C, 8, 8)
    calls = []
    hooks = [
        b.text_attention.register_forward_hook(lambda *_: calls.append(1)) for b in module.blocks
    ]
    changed = module(early, [level], finest, position, other).compute()
    assert not torch.allclose(changed, features, atol=1e-3)
    for hook in hooks:
        hook.remove()
    assert len(calls) == 2


def test_blocks_start_with_uniform_weights_of_both_widths():
    """Xavier: |w| <= sqrt(6 / (fan_in + fan_out)); PyTorch's own start has 1 / sqrt(fan_in)."""
    module = CrossModalPyramid(block=BLOCK, reductions=(2, 4), channels=C)
    module.init_weights()
    for one in module.blocks:
        for layer in (one.vision_attention.key_proj, one.text_attention.out_proj, one.tail.ffn[0]):
            bound = (6 / sum(layer.weight.shape)) ** 0.5
            assert 0.9 * bound < layer.weight.abs().max() <= bound


def test_reduction_must_be_positive():
    with pytest.raises(ValueError, match='reduction must be at least 1, got 0'):
        VisionLanguageBlock(C, num_heads=HEADS, reduction=0)
