"""Fusion of words into visual tokens."""

import torch
from toy_models import random_text

from r2vos_mm.models.layers import MultimodalFusion, word_positions


def fusion_inputs() -> tuple[MultimodalFusion, list[torch.Tensor]]:
    torch.manual_seed(0)
    return MultimodalFusion(8, 2), [torch.randn(2, 3, 6, 8), torch.randn(2, 3, 2, 8)]


def test_equals_attention_over_repeated_tokens_times_the_tokens():
    fusion, levels = fusion_inputs()
    text, clip_of = random_text(4, 2, 3, channels=8), torch.tensor([0, 0, 1])
    keys = text.words + word_positions(text.padding, 8)
    for level, result in zip(levels, fusion(levels, text, clip_of), strict=True):
        tokens = level[clip_of].flatten(1, 2)
        expected = tokens * fusion.attention(tokens, keys, text.words, key_padding=text.padding)
        torch.testing.assert_close(result.flatten(1, 2), expected)


def test_a_pair_does_not_see_the_others():
    fusion, levels = fusion_inputs()
    text, clip_of = random_text(4, 2, 3, channels=8), torch.tensor([0, 1, 1])
    together = fusion(levels, text, clip_of)
    for pair in range(3):
        alone = fusion(levels, text.select(torch.tensor([pair])), clip_of[[pair]])
        for ours, theirs in zip(together, alone, strict=True):
            torch.testing.assert_close(ours[pair], theirs[0])
