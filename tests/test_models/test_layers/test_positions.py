"""Positions of words and cells."""

import math

import torch
from mmdet.models.layers import SinePositionalEncoding

from r2vos_mm.models.layers import FramewisePositionalEncoding, word_positions
from r2vos_mm.structures import TextFeatures


def test_frames_are_encoded_one_by_one():
    padding = torch.zeros(2, 3, 4, 5, dtype=torch.bool)
    padding[1, :, 3:], padding[1, :, :, 2:] = True, True
    options = dict(num_feats=4, normalize=True, offset=-0.5)
    ours, theirs = FramewisePositionalEncoding(**options), SinePositionalEncoding(**options)
    result = ours(padding)
    assert result.shape == (2, 3, 8, 4, 5)
    for clip in range(2):
        torch.testing.assert_close(result[clip], theirs(padding[clip]))
    torch.testing.assert_close(result[:, 0], result[:, 2])


def positions(padding: list[list[bool]], channels: int) -> torch.Tensor:
    mask = torch.tensor(padding)
    words = torch.zeros(*mask.shape, channels)
    return word_positions(TextFeatures(words, words[:, 0], mask))


def test_words_by_hand():
    # word k of n has the angle 2 pi k / n, k = 1..n; C = 4: frequencies 1 and 10000 ** -0.5
    result = positions([[False, False, True]], 4)
    half, full = 2 * math.pi / (1 + 0.5e-6) / 2, 2 * math.pi / (1 + 0.5e-6)
    expected = [
        [f(angle / scale) for scale in (1, 100) for f in (math.sin, math.cos)]
        for angle in (half, full)
    ]
    torch.testing.assert_close(result[0, :2], torch.tensor(expected), atol=1e-6, rtol=0)


def test_words_do_not_depend_on_padding():
    alone = positions([[False] * 4], 8)
    longer = positions([[False] * 4 + [True] * 3, [False] * 7], 8)
    assert longer.shape == (2, 7, 8)
    torch.testing.assert_close(longer[:1, :4], alone)
