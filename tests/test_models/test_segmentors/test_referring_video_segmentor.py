"""The whole model at toy size: losses, gradients, predictions."""

import copy

import pytest
import torch
from chosen_queries import choose_queries
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from toy_models import clip, sample, tiny_segmentor

from r2vos_mm.models.utils import (
    PredictConfig,
    check_negatives,
    padding_mask,
    split_windows,
)
from r2vos_mm.structures import ClipFeatures, QueryPredictions, ReferringDataSample

SIZE = (32, 32)
SENTENCES = ['a red circle', 'the small dog on the left', 'a boat', 'a man who runs']
NAMES = ('loss_cls', 'loss_bbox', 'loss_giou', 'loss_mask', 'loss_dice')


@pytest.fixture(scope='module')
def shared() -> nn.Module:
    torch.set_num_threads(1)
    return tiny_segmentor()


@pytest.fixture
def model(shared: nn.Module) -> nn.Module:
    """A model whose state a test may change."""
    return copy.deepcopy(shared)


def batch(*samples: ReferringDataSample, frames: int = 2) -> dict:
    return dict(
        inputs=[clip(i, frames, 3, *s.img_shape) for i, s in enumerate(samples)],
        data_samples=list(samples),
    )


def train_loss(model: nn.Module, data: dict) -> dict[str, torch.Tensor]:
    return model(**model.data_preprocessor(data, training=True), mode='loss')


CASES = dict(
    mixed=[(SENTENCES[:2], [False, True], True), (SENTENCES[1:4], [False, False, True], True)],
    no_negatives=[(SENTENCES[:3], [False] * 3, True)],
    two_sentences=[(SENTENCES[:2], [False, False], True), (SENTENCES[:2], [False, True], True)],
    all_absent=[(SENTENCES[:3], [False] * 3, False), (SENTENCES[:1], [True], True)],
    only_negatives=[(SENTENCES[:2], [True, True], True)],
)


@pytest.mark.parametrize('case', CASES)
def test_all_losses_are_there_and_no_parameter_is_left_out(model, case):
    samples = [
        sample(sentences, negatives, size=SIZE, present=present)
        for sentences, negatives, present in CASES[case]
    ]
    losses = train_loss(model, batch(*samples))
    expected = {prefix + name for prefix in ('', 'd0.', 'd1.') for name in NAMES}
    assert set(losses) == expected | {'loss_cycle_dist', 'loss_cycle_angle', 'loss_align'}
    total, _ = model.parse_losses(losses)
    assert total.isfinite()
    total.backward()
    left_out = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not left_out
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)
    has_relations = case in ('mixed', 'no_negatives', 'all_absent')
    assert (losses['loss_cycle_dist'] > 0).item() is has_relations
    assert (losses['loss_mask'] > 0).item() is (case != 'only_negatives')


def test_scores_and_masks_of_negatives(model):
    data = batch(sample(SENTENCES[:2], [True, True], size=SIZE))
    assert train_loss(model, data)['loss_cls'] == 0
    model.negatives_train = 'scores'
    losses = train_loss(model, data)
    assert losses['loss_cls'] > 0
    assert losses['loss_mask'] == losses['loss_dice'] == 0
    model.negatives_train = 'masks'
    losses = train_loss(model, data)
    assert losses['loss_mask'] > 0
    assert losses['loss_dice'] > 0
    assert losses['loss_bbox'] == losses['loss_giou'] == 0  # nothing to be boxed
    bias = model.mask_head.score_branches[-1].bias
    (losses['loss_cls'] + losses['loss_dice']).backward()
    assert (bias.grad > 0).all()  # a step lowers the scores


@pytest.mark.parametrize('negatives_train', ['scores', 'masks'])
def test_losses_of_negatives_are_added_to_those_of_positives(model, negatives_train):
    """Losses of both kinds are averaged over their own frames: sum = positives + negatives."""
    model.eval()
    first, second, texts = SENTENCES[:2], SENTENCES[2:4], SENTENCES[:4]
    both = batch(sample(texts, [False, False, True, True], size=SIZE))
    positive = batch(sample(first, [False, False], size=SIZE))
    negative = batch(sample(second, [True, True], size=SIZE))
    twice = batch(sample(second * 2, [True] * 4, size=SIZE))
    plain = train_loss(model, positive)
    assert torch.allclose(plain['loss_cls'], train_loss(model, both)['loss_cls'], atol=1e-4)
    model.negatives_train = negatives_train
    found, added, more = (train_loss(model, x) for x in (both, negative, twice))
    for name in ('loss_cls', 'loss_mask', 'd0.loss_dice', 'loss_giou'):
        torch.testing.assert_close(found[name], plain[name] + added[name], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(more[name], added[name], atol=1e-4, rtol=1e-4)
    without = train_loss(model, positive)  # other processes may have negatives: no rows, no NaN
    assert all(torch.equal(without[name], plain[name]) for name in plain)


def test_unknown_targets_of_negatives(model):
    model.negatives_train = 'all'
    with pytest.raises(ValueError, match="'all' must be verdict, scores or masks"):
        check_negatives(model)
    model.negatives_train, model.mask_head = 'scores', torch.nn.Identity()
    with pytest.raises(ValueError, match='Identity does not learn from negative pairs'):
        check_negatives(model)


def test_a_model_without_cycle(model):
    model.cycle_head, model.mask_head.query_mixer = None, None
    data = batch(sample(SENTENCES[:2], [False, True], size=SIZE))
    losses = train_loss(model, data)
    assert not [name for name in losses if 'cycle' in name or 'align' in name]
    model.eval()
    pairs = model.test_step(data)[0].pred_pairs
    assert (pairs.consensus == 1).all()
    assert torch.equal(pairs.masks, pairs.ungated_masks)


def test_negatives_reach_the_verdict_only(model):
    model.eval()
    few = sample(SENTENCES[:2], [False, False], size=SIZE)
    more = sample(SENTENCES[:3], [False, False, True], size=SIZE)
    without, with_ = train_loss(model, batch(few)), train_loss(model, batch(more))
    for name in without:
        if name != 'loss_align':
            torch.testing.assert_close(without[name], with_[name], msg=name, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(without['loss_align'], with_['loss_align'])


def predicted(
    model: nn.Module, size: tuple[int, int] = SIZE, frames: int = 5
) -> ReferringDataSample:
    model.eval()
    video = sample(SENTENCES, [False, True, False, True], size=size, frames=frames)
    video.set_metainfo(dict(ori_shape=(50, 70)))
    return model.test_step(batch(video, frames=frames))[0]


@pytest.mark.parametrize('size', [(32, 32), (29, 43)])
def test_predictions(model, size):
    pairs = predicted(model, size).pred_pairs
    assert len(pairs) == 4
    assert pairs.masks.shape == pairs.ungated_masks.shape == (4, 5, 50, 70)
    assert pairs.masks.dtype == torch.bool
    assert pairs.scores.shape == (4, 5)
    assert pairs.boxes.shape == (4, 5, 4)
    torch.testing.assert_close(pairs.consensus, 1 - pairs.misalignment_logits.sigmoid())


def test_number_of_pairs_per_pass_does_not_matter(model):
    together = predicted(model).pred_pairs
    model.test_cfg.pairs_per_pass = 1
    alone = predicted(model).pred_pairs
    for field in ('scores', 'boxes', 'misalignment_logits'):
        torch.testing.assert_close(alone[field], together[field], atol=1e-4, rtol=1e-4)
    assert (alone.ungated_masks != together.ungated_masks).float().mean() < 1e-3


def test_windows_are_joined_in_order_and_share_query_and_verdict(model):
    model.eval()
    video = sample(SENTENCES[:2], [False, True], size=SIZE, frames=5)
    model.test_cfg.frames_per_pass = 3
    whole = model.test_step(batch(video, frames=5))[0].pred_pairs
    model.test_cfg.frames_per_pass = None
    frames, parts = batch(video, frames=5)['inputs'][0], []
    for window in (slice(0, 2), slice(2, 5)):
        part = sample(SENTENCES[:2], [False, True], size=SIZE, frames=window.stop - window.start)
        data = model.data_preprocessor(dict(inputs=[frames[window]], data_samples=[part]))
        parts.append(model(**data, mode='tensor'))
    logits = torch.stack([cycle.misalignment_logit for _, cycle in parts]).mean(0)
    torch.testing.assert_close(whole.misalignment_logits, logits, atol=1e-5, rtol=1e-4)
    scores = torch.cat([queries.scores.sigmoid() for queries, _ in parts], dim=1)
    best = scores.mean(1).argmax(1)
    torch.testing.assert_close(whole.scores, scores[torch.arange(2), :, best], atol=1e-5, rtol=1e-4)


def test_attention_maps_cover_all_frames(model):
    model.test_cfg.return_attention, model.test_cfg.frames_per_pass = True, 2
    pairs = predicted(model).pred_pairs
    assert pairs.grounding_attention.shape == pairs.early_features.shape == (4, 5, 4, 4)  # stride 8
    # one share of 1 per window of 1, 2 and 2 frames
    torch.testing.assert_close(pairs.grounding_attention.sum((1, 2, 3)), torch.full((4,), 3.0))


def test_clips_of_a_test_batch_do_not_see_its_padding(model):
    model.eval()
    small = sample(SENTENCES[:1], [False], size=(24, 40))
    large = sample(SENTENCES[1:2], [False], size=(32, 64))
    frames = clip(0, 2, 3, 24, 40), clip(1, 2, 3, 32, 64)
    alone = model.test_step(dict(inputs=[frames[0]], data_samples=[small]))[0].pred_pairs
    padded = model.test_step(dict(inputs=list(frames), data_samples=[copy.deepcopy(small), large]))[
        0
    ].pred_pairs
    torch.testing.assert_close(padded.scores, alone.scores)
    torch.testing.assert_close(padded.boxes, alone.boxes)


def test_training_on_padded_clips_differs_by_convolution_and_group_norm_only(model):
    # Encoder, attentions, positions and boxes leave padding out; normalization statistics and
    # convolutions at the border cannot. The effect on the losses stays small.
    model.eval()
    small = sample(SENTENCES[:3], [False] * 3, size=(32, 32))
    alone = train_loss(model, batch(small))
    large = sample(SENTENCES[3:], [True], size=(32, 64))
    padded = train_loss(model, batch(small, large))
    for name in ('loss_bbox', 'loss_giou', 'loss_cls'):
        torch.testing.assert_close(padded[name], alone[name], rtol=0.1, atol=0.05, msg=name)


@pytest.mark.parametrize('predictor', ['LinearMaskPredictor', 'DynamicMaskPredictor'])
def test_folding_the_last_convolution_changes_no_loss_and_no_mask(predictor, monkeypatch):
    options = dict(type=predictor, hidden=8) if predictor.startswith('Dynamic') else {}
    model = tiny_segmentor(**{f'mask_head__mask_predictor__{k}': v for k, v in options.items()})
    model.eval()
    data = batch(sample(SENTENCES[:3], [False, False, True], size=SIZE))
    folded, predicted_folded = train_loss(model, data), predicted(model).pred_pairs
    features = model.neck.mask_features
    monkeypatch.setattr(model.neck, 'mask_features', lambda *inputs: features(*inputs).compute())
    for name, value in train_loss(model, data).items():
        torch.testing.assert_close(folded[name], value, rtol=1e-5, atol=1e-6, msg=name)
    pairs = predicted(model).pred_pairs
    assert (predicted_folded.ungated_masks != pairs.ungated_masks).float().mean() < 1e-4


def test_a_batch_without_padding_makes_no_mask_and_changes_nothing(model, monkeypatch):
    model.eval()
    data = batch(sample(SENTENCES[:3], [False, False, True], size=SIZE))
    found = train_loss(model, data)
    project, flags = model.neck.project, []

    def with_masks(maps: list, padding: torch.Tensor, *, has_padding: bool) -> ClipFeatures:
        flags.append(has_padding)
        return project(maps, padding, has_padding=True)

    monkeypatch.setattr(model.neck, 'project', with_masks)
    for name, value in train_loss(model, data).items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6, msg=name)
    train_loss(model, batch(*(sample(SENTENCES[:1], [False], size=(32, w)) for w in (32, 64))))
    assert flags == [False, True]


@pytest.mark.parametrize(
    ('old', 'new'), [('window', 'frames_per_pass'), ('figures', 'return_attention')]
)
def test_old_names_of_settings_are_accepted_and_win(old, new):
    with pytest.warns(DeprecationWarning, match=f'test_cfg.{old} .* use test_cfg.{new}'):
        config = PredictConfig.from_config({old: 3, new: None})
    assert getattr(config, new) == 3


def test_unknown_mode(model):
    with pytest.raises(ValueError, match="mode='train' is unknown; choose loss, predict or tensor"):
        model(torch.zeros(1, 1, 3, 32, 32), [], mode='train')


@given(frames=st.integers(1, 200), window=st.one_of(st.none(), st.integers(1, 220)))
def test_windows_cover_all_frames_evenly(frames, window):
    windows = split_windows(frames, window)
    covered = [t for part in windows for t in range(frames)[part]]
    assert covered == list(range(frames))
    lengths = [len(range(frames)[part]) for part in windows]
    assert max(lengths) <= (window or frames)
    assert max(lengths) - min(lengths) <= 1
    assert len(windows) == (1 if window is None else -(-frames // window))  # no more than needed


def test_padding_mask():
    mask = padding_mask(torch.zeros(2, 3, 3, 4, 6), [(4, 6), (2, 5)])
    assert mask.shape == (2, 3, 4, 6)
    assert not mask[0].any()
    assert mask[1, 0].sum() == mask[1, 2].sum() == 4 * 6 - 2 * 5


def queries() -> QueryPredictions:
    """Two pairs, two frames, two queries of 2 x 2 cells; query 1 wins, but not in frame 0."""
    scores = torch.tensor([[[1.0, 0.0], [0.0, 3.0]]]).repeat(2, 1, 1)
    masks = torch.full((2, 2, 2, 2, 2), -5.0)
    masks[:, :, 1, :, 0] = 5.0
    return QueryPredictions(scores, torch.tensor([0.5, 0.5, 0.2, 0.4]).expand(2, 2, 2, 4), masks)


def test_one_query_per_pair_and_the_gate():
    logits = torch.tensor([-2.0, 2.0])
    pairs = choose_queries(queries(), logits, (4, 8), config=PredictConfig())
    torch.testing.assert_close(pairs.scores, torch.tensor([[0.0, 3.0]]).sigmoid().repeat(2, 1))
    # x: 8 * (0.5 -+ 0.1), y: 4 * (0.5 -+ 0.2)
    torch.testing.assert_close(pairs.boxes, torch.tensor([3.2, 1.2, 4.8, 2.8]).expand(2, 2, 4))
    assert pairs.ungated_masks[..., :4].all()
    assert not pairs.ungated_masks[..., 4:].any()
    assert torch.equal(pairs.masks[0], pairs.ungated_masks[0])
    assert not pairs.masks[1].any()
    torch.testing.assert_close(pairs.consensus, torch.tensor([2.0, -2.0]).sigmoid())


def test_gate_of_zero_keeps_everything():
    logits = torch.tensor([-200.0, 200.0])
    pairs = choose_queries(queries(), logits, (4, 8), config=PredictConfig(gate_threshold=0.0))
    assert torch.equal(pairs.masks, pairs.ungated_masks)


def test_pixels_above_the_threshold_are_foreground():
    # sigmoid(5) = 0.9933
    kept = [
        choose_queries(queries(), torch.zeros(2), (2, 2), config=PredictConfig(mask_threshold=t))
        .ungated_masks.any()
        .item()
        for t in (0.99, 0.995)
    ]
    assert kept == [True, False]


@pytest.mark.parametrize(
    'values',
    [
        dict(frames_per_pass=0),
        dict(pairs_per_pass=0),
        dict(mask_threshold=1.5),
        dict(gate_threshold=-0.1),
    ],
)
def test_impossible_settings_are_refused_by_name(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        PredictConfig(**values)
