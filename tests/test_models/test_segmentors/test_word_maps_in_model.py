"""A model with word maps: what sees them is config, and the words alone are a verdict."""

import copy

import pytest
import torch
from torch import nn
from toy_models import clip, sample, tiny_segmentor

SENTENCES = ['a red circle', 'the small dog on the left', 'a boat']
BACKBONE = dict(
    _delete_=True, type='EfficientNetLite', size='lite0', strides=(4, 8, 32), frozen=True
)
PARTS = dict(
    backbone=BACKBONE,
    neck__in_channels=[24, 40, 320],
    word_maps=dict(type='WordMaps', center=-6.0),
    neck__word_input=dict(type='WordMapProjection', channels=128),
    cycle_head__sees_words=True,
    cycle_head__prior_weight=0.5,
)


@pytest.fixture(scope='module')
def shared() -> nn.Module:
    torch.set_num_threads(1)
    return tiny_segmentor(**PARTS)


@pytest.fixture
def model(shared: nn.Module) -> nn.Module:
    """A model whose state a test may change."""
    return copy.deepcopy(shared)


def batch(frames: int = 2) -> dict:
    samples = [sample(SENTENCES, [False, True, False], frames=frames, size=(64, 64))]
    return dict(inputs=[clip(0, frames, 3, 64, 64)], data_samples=samples)


def predicted(model: nn.Module, frames: int = 2) -> object:
    return model.eval().test_step(batch(frames))[0].pred_pairs


def test_all_trained_parameters_get_gradients(model):
    losses = model(**model.data_preprocessor(batch(), training=True), mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert not [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert all(p.grad is None for p in model.backbone.parameters())


def test_the_prior_is_half_of_the_words(model):
    with_prior = predicted(model).misalignment_logits
    model.cycle_head.prior_weight = 0.0
    without = predicted(model).misalignment_logits
    model.test_cfg.verdict = 'words'
    words = predicted(model).misalignment_logits
    torch.testing.assert_close(with_prior, without + 0.5 * words)


def test_verdict_of_words_is_that_of_all_frames(model):
    model.test_cfg.verdict = 'words'
    whole = predicted(model, frames=4)
    model.test_cfg.frames_per_pass = 1
    by_frame = predicted(model, frames=4)
    torch.testing.assert_close(whole.misalignment_logits, by_frame.misalignment_logits)
    torch.testing.assert_close(whole.consensus, torch.sigmoid(-whole.misalignment_logits))


def test_masks_follow_the_words_through_the_neck(model):
    before = predicted(model).misalignment_logits
    nn.init.zeros_(model.neck.word_input.proj.weight)
    assert not torch.allclose(before, predicted(model).misalignment_logits)


def test_zero_input_of_words_is_a_model_without():
    plain = tiny_segmentor(backbone=BACKBONE, neck__in_channels=[24, 40, 320])
    seeing = tiny_segmentor(**{k: v for k, v in PARTS.items() if 'cycle' not in k})
    nn.init.zeros_(seeing.neck.word_input.proj.weight)
    nn.init.zeros_(seeing.neck.word_input.proj.bias)
    missing, unexpected = seeing.load_state_dict(plain.state_dict(), strict=False)
    assert (sorted(missing), unexpected) == (
        ['neck.word_input.proj.bias', 'neck.word_input.proj.weight'],
        [],
    )
    a, b = predicted(plain), predicted(seeing)
    assert torch.equal(a.scores, b.scores)
    assert torch.equal(a.misalignment_logits, b.misalignment_logits)


def test_a_part_without_its_words_is_refused():
    for changes, part in (
        (dict(neck__word_input=PARTS['neck__word_input']), r'model\.neck\.word_input'),
        (dict(cycle_head__prior_weight=0.5), r'model\.cycle_head\.sees_words or prior_weight'),
        (dict(test_cfg__verdict='words'), r"model\.test_cfg\.verdict='words'"),
    ):
        with pytest.raises(ValueError, match=f'{part} needs word maps: set model.word_maps'):
            tiny_segmentor(**changes)
    with pytest.raises(ValueError, match='ResNet has no class_logits'):
        tiny_segmentor(word_maps=dict(type='WordMaps'))
    with pytest.raises(ValueError, match='needs a frozen sentence encoder'):
        tiny_segmentor(**PARTS, text_encoder__frozen=False)
