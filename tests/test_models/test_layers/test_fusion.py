"""Fusion of words into visual tokens."""

import pytest
import torch
from toy_models import random_text

from r2vos_mm.models.layers import MultimodalFusion, word_positions


def fusion_inputs() -> tuple[MultimodalFusion, torch.Tensor]:
    torch.manual_seed(0)
    return MultimodalFusion(8, 2), torch.randn(2, 3, 8, 8)


def test_equals_attention_over_repeated_tokens_times_the_tokens():
    fusion, tokens = fusion_inputs()
    text, clip_of = random_text(4, 2, 3, channels=8), torch.tensor([0, 0, 1])
    keys = text.words + word_positions(text)
    rows = tokens[clip_of].flatten(1, 2)
    expected = rows * fusion.attention(rows, keys, text.words, key_padding=text.padding)
    torch.testing.assert_close(fusion(tokens, text, clip_of).flatten(1, 2), expected)


def test_a_pair_does_not_see_the_others():
    fusion, tokens = fusion_inputs()
    text, clip_of = random_text(4, 2, 3, channels=8), torch.tensor([0, 1, 1])
    together = fusion(tokens, text, clip_of)
    for pair in range(3):
        alone = fusion(tokens, text.select(torch.tensor([pair])), clip_of[[pair]])
        torch.testing.assert_close(together[pair], alone[0])


@pytest.mark.parametrize('words', [4, 5])
def test_few_and_many_words_equal_the_standard_form(words, monkeypatch):
    """With two heads and eight channels, four words are few."""
    fusion, tokens = fusion_inputs()
    text, clip_of = random_text(words, 2, channels=8), torch.tensor([0, 1])
    assert fusion.attention.are_few(text.words) is (words == 4)
    found = fusion(tokens, text, clip_of)
    monkeypatch.setattr(fusion.attention, 'are_few', lambda tokens: False)
    torch.testing.assert_close(found, fusion(tokens, text, clip_of), rtol=1e-5, atol=1e-6)
