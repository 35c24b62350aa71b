"""The neck of MTTR: what pairs see of each other, of padding and of other frames."""

import pytest
import torch
from mmengine.config import Config
from toy_models import CONFIGS, random_text

from r2vos_mm.registry import MODELS

SIZES = ((16, 24), (8, 12), (4, 6))  # of strides 4, 8, 16 for 64 x 96 pixels


@pytest.fixture(scope='module')
def neck() -> torch.nn.Module:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = Config.fromfile(CONFIGS / '_base_/models/mttr_tiny.py').model.neck
    config.temporal_mixing = None
    return MODELS.build(config).eval()


def maps(clips: int, frames: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(clips * frames, channels, *size, generator=generator)
        for channels, size in zip((64, 128, 256), SIZES)
    ]


@torch.no_grad()
def test_shapes_of_clips_pairs_and_sequences(neck):
    clips = neck.project(maps(2, 3), torch.zeros(2, 3, 64, 96, dtype=torch.bool))
    text = random_text(4, 2, 5, channels=128)
    grounded = neck.ground(clips, text, torch.tensor([0, 1, 1]))
    assert grounded.early.shape == (3, 3, 128, 4, 6)
    assert grounded.memory.tokens.shape == (3, 3, 4 * 6 + 5, 128)
    assert torch.equal(
        grounded.memory.tokens[:, :, :24].transpose(2, 3).unflatten(3, (4, 6)), grounded.early
    )
    assert not grounded.memory.position[:, :, 24:].any()
    features = neck.mask_features(clips, grounded)
    assert features.shape == (3, 3, 8, 16, 24)
    attention = neck.attention_map(grounded)
    assert attention.shape == (3, 3, 4, 6)
    torch.testing.assert_close(attention.flatten(1).sum(1), torch.ones(3))
    chosen = grounded.select(torch.tensor([False, True, False]))
    torch.testing.assert_close(neck.mask_features(clips, chosen), features[1:2])


@torch.no_grad()
def test_padding_of_words_and_cells_is_not_seen(neck):
    padding = torch.zeros(1, 1, 64, 96, dtype=torch.bool)
    padding[..., 64:] = True
    seen = maps(1, 1)
    changed = [x.clone() for x in seen]
    changed[2][..., 4:] += 5
    text = random_text(3, 6, channels=128)
    index = torch.tensor([0, 0])
    one = neck.ground(neck.project(seen, padding), text, index)
    other_text = random_text(3, 6, channels=128)
    other_text.words[0, 3:] += 5
    other = neck.ground(neck.project(changed, padding), other_text, index)
    torch.testing.assert_close(one.early[..., :4], other.early[..., :4])


@torch.no_grad()
def test_pairs_are_those_of_one_sentence_alone(neck):
    clips = neck.project(maps(1, 2), torch.zeros(1, 2, 64, 96, dtype=torch.bool))
    text = random_text(3, 6, channels=128)
    together = neck.ground(clips, text, torch.tensor([0, 0]))
    alone = neck.ground(clips, text.select(torch.tensor([1])), torch.tensor([0]))
    torch.testing.assert_close(together.early[1:], alone.early)
