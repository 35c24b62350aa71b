"""The parts of early grounding."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from toy_models import random_text

from r2vos_mm.models.layers import DualCrossAttention, DynamicFilter, EarlyGrounding, pool_words
from r2vos_mm.structures import ClipMaps, TextFeatures

CHANNELS = 16


def grounding(*, seed: int = 0) -> EarlyGrounding:
    torch.manual_seed(seed)
    return EarlyGrounding(
        channels=CHANNELS,
        attention=dict(type='DualCrossAttention', channels=CHANNELS, num_heads=2, hidden=8),
        dynamic_filter=dict(type='DynamicFilter', channels=CHANNELS),
    ).eval()


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4), bins=st.integers(1, 4))
def test_words_are_pooled_over_the_length_of_their_own_sentence(lengths, bins):
    text = random_text(*lengths, channels=3)
    result = pool_words(text.words, text.padding, bins)
    assert result.shape == (len(lengths), bins, 3)
    for row, length in enumerate(lengths):
        expected = F.adaptive_avg_pool1d(text.words[row, :length].t(), bins).t()
        torch.testing.assert_close(result[row], expected, atol=1e-6, rtol=1e-5)


def with_other_padding(text: TextFeatures) -> TextFeatures:
    words = torch.where(text.padding[..., None], torch.full_like(text.words, 50.0), text.words)
    return TextFeatures(words, text.sentence, text.padding)


@pytest.mark.parametrize('count', [1, 3])
def test_filters_equal_the_products_made_one_by_one(count):
    torch.manual_seed(0)
    module = DynamicFilter(CHANNELS, num_filters=count, num_groups=4)
    text, vision = random_text(5, 3, channels=CHANNELS), torch.randn(2, 3, CHANNELS, 4, 5)
    theta = module.filter_proj(pool_words(text.words, text.padding, count))  # (P, K, C)
    responses = []
    for pair in range(2):
        u = module.input_conv(vision[pair])
        products = torch.cat([u * theta[pair, k][:, None, None] for k in range(count)], dim=1)
        responses.append(module.pool_norm(module.pool_conv(products)).relu())
    torch.testing.assert_close(
        module(vision, text.words, text.padding), torch.stack(responses), atol=1e-5, rtol=1e-4
    )


def attention_inputs() -> tuple[DualCrossAttention, ClipMaps, TextFeatures]:
    torch.manual_seed(0)
    module = DualCrossAttention(CHANNELS, num_heads=2, hidden=8).eval()
    padding = torch.zeros(2, 2, 2, 3, dtype=torch.bool)
    padding[1, 1] = True
    shape = 2, 2, CHANNELS, 2, 3
    vision = ClipMaps(torch.randn(shape), torch.randn(shape), padding)
    return module, vision, random_text(5, 3, channels=CHANNELS)


def test_padding_is_seen_by_neither_stream():
    module, vision, text = attention_inputs()
    cells, words = module(vision, text)
    hidden = vision.padding[:, :, None]
    changed = replace(vision, cells=vision.cells.masked_fill(hidden, 50.0))
    new_cells, new_words = module(changed, with_other_padding(text))
    kept = ~hidden.expand_as(cells)
    torch.testing.assert_close(new_cells[kept], cells[kept])
    torch.testing.assert_close(new_words[~text.padding], words[~text.padding])


def test_both_streams_read_the_same_state():
    module, vision, text = attention_inputs()
    first = module.attend_vision(vision)
    # without the other stream's parameters the result is the same
    tokens = module(vision, text)[0]
    torch.nn.init.zeros_(module.vision_to_text.out_proj.weight)
    torch.testing.assert_close(module(vision, text)[0], tokens)
    # the words read what vision was before it read the words
    words = module(vision, text)[1]
    torch.nn.init.zeros_(module.text_to_vision.out_proj.weight)
    torch.testing.assert_close(module(vision, text)[1], words)
    assert first.shape == vision.cells.shape


def test_attention_map_is_a_distribution_over_the_cells_of_the_image():
    module, vision, text = attention_inputs()
    shares = module.attention_map(vision, text)
    torch.testing.assert_close(shares.sum((1, 2, 3)), torch.ones(2))
    assert (shares[vision.padding] == 0).all()
    assert (shares >= 0).all()
    other = module.attention_map(vision, with_other_padding(text))
    torch.testing.assert_close(other, shares)


def grounding_inputs() -> tuple[ClipMaps, TextFeatures]:
    torch.manual_seed(1)
    shape, padding = (2, 3, CHANNELS, 3, 5), torch.zeros(2, 3, 3, 5, dtype=torch.bool)
    vision = ClipMaps(torch.randn(shape), torch.randn(shape), padding)
    return vision, random_text(6, 2, channels=CHANNELS)


def test_grounding_is_per_pair_and_blind_to_padded_words():
    module, (vision, text) = grounding(), grounding_inputs()
    early = module(vision, text)
    assert early.shape == vision.cells.shape
    assert (early >= 0).all()
    for pair in range(2):
        length = int((~text.padding[pair]).sum())
        alone = TextFeatures(
            text.words[[pair], :length], text.sentence[[pair]], text.padding[[pair], :length]
        )
        result = module(vision.select(torch.tensor([pair])), alone)
        torch.testing.assert_close(early[[pair]], result, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(module(vision, with_other_padding(text)), early)


def test_words_and_frames_matter():
    module, (vision, text) = grounding(), grounding_inputs()
    early = module(vision, text)
    swapped = text.select(torch.tensor([1, 0]))
    assert not torch.allclose(module(vision, swapped), early, atol=1e-2)
    # attention spans all frames: the first one changes when the last one does
    cells = vision.cells.clone()
    cells[:, -1] = vision.cells[:, -1].flip(-1) + 1
    changed = replace(vision, cells=cells)
    assert not torch.allclose(module(changed, text)[:, 0], early[:, 0])
    assert module.attention_map(vision, text).shape == vision.padding.shape


@pytest.mark.parametrize('projection_bias', [True, False])
def test_few_words_equal_the_standard_form(projection_bias, monkeypatch):
    """Eight words are few for two heads and 16 channels: vision is not projected for them."""
    torch.manual_seed(0)
    module = DualCrossAttention(16, num_heads=2, hidden=8, projection_bias=projection_bias).eval()
    padding = torch.arange(12).view(2, 2, 3) >= torch.tensor([12, 7])[:, None, None, None]
    vision = ClipMaps(*torch.randn(2, 2, 2, 16, 2, 3).requires_grad_().unbind(0), padding)
    text = random_text(8, 3, channels=16)
    results = []
    for few in (True, False):
        if not few:
            for attention in (module.vision_to_text, module.text_to_vision):
                monkeypatch.setattr(attention, 'are_few', lambda tokens: False)
        assert module.vision_to_text.are_few(text.words) is few
        found = module(vision, text)
        loss = sum((x * torch.linspace(-1, 1, x.numel()).view_as(x)).sum() for x in found)
        results.append([*found, *torch.autograd.grad(loss, list(module.parameters()))])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
