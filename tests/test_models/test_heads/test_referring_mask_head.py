"""D_v and its heads: what a query predicts and what its losses are, by arithmetic."""

import math

import pytest
import torch
from mmdet.models.layers import inverse_sigmoid
from mmengine.config import Config
from torch import Tensor
from toy_models import CONFIGS

from r2vos_mm.models.heads import LinearMaskPredictor, ReferringMaskHead
from r2vos_mm.registry import MODELS
from r2vos_mm.structures import Memory, PairTargets, QueryPredictions

C, FRAMES, SHAPES = 16, 2, [(4, 6), (2, 3)]


def head(**changes: object) -> ReferringMaskHead:
    """The paper's head at toy width."""
    torch.manual_seed(0)
    config = Config(
        Config.fromfile(CONFIGS / '_base_/models/r2vos_r50.py').model.mask_head.to_dict()
    )
    attention = dict(embed_dims=C, num_heads=2, dropout=0.0, batch_first=True)
    config.merge_from_dict(
        dict(
            channels=C,
            num_queries=3,
            mask_predictor=dict(channels=C),
            decoder=dict(
                layer_cfg=dict(
                    self_attn_cfg=attention,
                    cross_attn_cfg=attention | dict(num_levels=len(SHAPES), num_points=2),
                    ffn_cfg=dict(embed_dims=C, feedforward_channels=8, ffn_drop=0.0),
                )
            ),
        )
    )
    config.merge_from_dict(changes)
    module = MODELS.build(config.to_dict())
    module.init_weights()
    return module


def inputs(pairs: int = 2) -> tuple[Memory, Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    cells = sum(h * w for h, w in SHAPES)
    memory = Memory(
        torch.randn(pairs, FRAMES, cells, C),
        torch.zeros(pairs, FRAMES, cells, dtype=torch.bool),
        SHAPES,
        torch.ones(pairs, len(SHAPES), 2),
        torch.tensor([[48, 32]]).expand(pairs, -1),
    )
    features = torch.randn(pairs, FRAMES, C, 8, 12)
    return memory, features, torch.randn(pairs, C), torch.randn(pairs, C)


def test_all_layers_predict_all_queries():
    module = head()
    layers = module(*inputs())
    assert len(layers) == 3
    for layer in layers:
        assert layer.scores.shape == (2, FRAMES, 3)
        assert layer.boxes.shape == (2, FRAMES, 3, 4)
        assert layer.masks.shape == (2, FRAMES, 3, 8, 12)
    (last,) = module(*inputs(), last_only=True)
    for field in ('scores', 'boxes', 'masks'):
        torch.testing.assert_close(getattr(last, field), getattr(layers[-1], field))


def test_queries_and_sentences_differ():
    module = head()
    memory, features, sentence, reconstructed = inputs(1)
    masks = module(memory, features, sentence, reconstructed)[-1].masks
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not torch.allclose(masks[:, :, a], masks[:, :, b], atol=1e-3)
    assert not torch.allclose(
        module(memory, features, -sentence, reconstructed)[-1].masks, masks, atol=1e-3
    )
    assert not torch.allclose(
        module(memory, features, sentence, -reconstructed)[-1].masks, masks, atol=1e-3
    )


def test_initial_boxes_start_at_the_reference_point_with_a_small_extent():
    module = head()
    points = module.reference_points(module.query_position.weight).sigmoid()  # (N, 2)
    for layer in module(*inputs()):
        torch.testing.assert_close(layer.boxes[..., :2], points.expand(2, FRAMES, -1, -1))
        torch.testing.assert_close(
            layer.boxes[..., 2:], torch.full((2, FRAMES, 3, 2), 1 / (1 + math.exp(2)))
        )
    assert torch.allclose(
        torch.stack([b.bias for b in module.score_branches]).sigmoid(), torch.tensor(0.01)
    )


def test_boxes_are_offsets_from_the_reference_of_the_layer_before():
    module = head()
    for branch in module.box_branches:
        torch.nn.init.normal_(branch.layers[-1].weight)
    memory, features, sentence, reconstructed = inputs()
    embeddings, references = module._decode(memory, module._query(sentence, reconstructed))
    layers = module(memory, features, sentence, reconstructed)
    for index, layer in enumerate(layers):
        offset = module.box_branches[index](embeddings[index])
        anchor = inverse_sigmoid(references[index])
        known = anchor.shape[-1]  # 2 at first, then 4
        expected = offset.clone()
        expected[..., :known] += anchor
        torch.testing.assert_close(layer.boxes, expected.sigmoid())
        torch.testing.assert_close(layer.boxes, references[index + 1])
    assert not references[-1].requires_grad  # each layer learns from its own step only


def test_query_is_the_sentence_plus_the_mixture():
    module = head()
    sentence, reconstructed = inputs()[2:]
    mixed = module.query_mixer.norm(
        module.query_mixer.proj(torch.cat((sentence, reconstructed), 1))
    )
    torch.testing.assert_close(module._query(sentence, reconstructed), sentence + mixed)
    plain = head(mixes_reconstruction=False)
    assert plain._query(sentence, None) is sentence
    with pytest.raises(ValueError, match='mask_head.mixes_reconstruction=False'):
        module._query(sentence, None)


def test_masks_are_linear_in_the_features():
    torch.manual_seed(0)
    predictor = LinearMaskPredictor(4)
    queries, features = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 4, 5, 6)
    masks = predictor(queries, features, torch.rand(1, 2, 3, 2))
    weights = predictor.weights(queries[0, 1, 2])
    expected = (weights[:, None, None] * features[0, 1]).sum(0)
    torch.testing.assert_close(masks[0, 1, 2], expected)
    torch.testing.assert_close(predictor(queries, 3 * features, torch.rand(1, 2, 3, 2)), 3 * masks)


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def hand_made_case(absent_box: float = 0.0) -> tuple[QueryPredictions, PairTargets]:
    """One pair, two frames, two queries on 1 x 2 cells; the object is in the first frame only.

    Query 1 has the right box and mask there; its box in the second frame is off by ``absent_box``.
    """
    right, wrong = [0.5, 0.5, 0.4, 0.4], [0.2, 0.2, 0.1, 0.1]
    beyond = [0.5 + absent_box, 0.5, 0.4, 0.4]
    predictions = QueryPredictions(
        scores=torch.tensor([[[logit(0.1), logit(0.8)], [logit(0.1), logit(0.3)]]]),
        boxes=torch.tensor([[[wrong, right], [wrong, beyond]]]),
        masks=torch.tensor(
            [
                [
                    [[[logit(0.1), logit(0.9)]], [[logit(0.75), logit(0.25)]]],
                    [[[logit(0.9), logit(0.9)]], [[logit(0.25), logit(0.25)]]],
                ]
            ]
        ),
    )
    # at stride 4 cells are the pixels (2, 2) and (2, 6): the first is object in frame 0
    masks = torch.zeros(1, 2, 4, 8, dtype=torch.bool)
    masks[0, 0, 2, 2] = True
    targets = PairTargets(
        boxes=torch.tensor([[[0.55, 0.5, 0.4, 0.4], [0.0] * 4]]),
        masks=masks,
        valid=torch.tensor([[True, False]]),
    )
    return predictions, targets


def focal(probability: float, label: int) -> float:
    p, alpha = (probability, 0.25) if label else (1 - probability, 0.75)
    return -alpha * (1 - p) ** 2 * math.log(p)


def test_losses_by_hand():
    predictions, targets = hand_made_case()
    losses = head().loss([predictions], targets)
    # query 1 is the match; n = 1 valid frame
    scores = focal(0.1, 0) + focal(0.8, 1) + focal(0.1, 0) + focal(0.3, 0)
    assert losses['loss_cls'].item() == pytest.approx(2 * scores, rel=1e-5)
    # |0.5 - 0.55|; the second frame has no object and does not count
    assert losses['loss_bbox'].item() == pytest.approx(5 * 0.05, rel=1e-5)
    # I = 0.35 * 0.4, U = E = 0.45 * 0.4
    assert losses['loss_giou'].item() == pytest.approx(2 * (1 - 0.35 / 0.45), rel=1e-4)
    cells = (focal(0.75, 1) + 3 * focal(0.25, 0)) / 4
    assert losses['loss_mask'].item() == pytest.approx(10 * cells, rel=1e-5)
    dice = 1 - (2 * 0.75 + 1) / (0.75 + 3 * 0.25 + 1 + 1)
    assert losses['loss_dice'].item() == pytest.approx(4 * dice, rel=1e-5)


def test_frames_without_the_object_count_in_box_losses_as_told():
    for weight in (0.0, 1.0):
        module = head(absent_frame_weight=weight)
        near, far = (module.loss([hand_made_case(d)[0]], hand_made_case(d)[1]) for d in (0.0, 0.1))
        # the target there is (0, 0, 0, 0): the distance grows by 0.1
        growth = (far['loss_bbox'] - near['loss_bbox']).item()
        assert growth == pytest.approx(5 * 0.1 * weight, abs=1e-5)
        if not weight:
            assert torch.equal(far['loss_giou'], near['loss_giou'])


def test_each_layer_has_its_own_match_and_prefix():
    predictions, targets = hand_made_case()
    swapped = QueryPredictions(
        predictions.scores.flip(2), predictions.boxes.flip(2), predictions.masks.flip(2)
    )
    losses = head().loss([swapped, predictions, predictions], targets)
    names = ('loss_cls', 'loss_bbox', 'loss_giou', 'loss_mask', 'loss_dice')
    assert set(losses) == {prefix + name for prefix in ('', 'd0.', 'd1.') for name in names}
    for name in names:
        torch.testing.assert_close(losses[f'd0.{name}'], losses[name])


def test_losses_are_sums_over_pairs_by_the_number_of_visible_frames():
    predictions, targets = hand_made_case()
    module = head()
    once = module.loss([predictions], targets)
    twice = module.loss(
        [
            QueryPredictions(
                *(
                    x.repeat(2, *[1] * (x.dim() - 1))
                    for x in (predictions.scores, predictions.boxes, predictions.masks)
                )
            )
        ],
        PairTargets(
            *(
                x.repeat(2, *[1] * (x.dim() - 1))
                for x in (targets.boxes, targets.masks, targets.valid)
            )
        ),
    )
    for name, value in once.items():
        torch.testing.assert_close(twice[name], value, msg=name)


def test_objects_seen_nowhere_give_finite_losses_with_gradients():
    module = head()
    targets = PairTargets(
        torch.zeros(2, FRAMES, 4),
        torch.zeros(2, FRAMES, 32, 48, dtype=torch.bool),
        torch.zeros(2, FRAMES, dtype=torch.bool),
    )
    losses = module.loss(module(*inputs()), targets)
    assert all(value.isfinite() for value in losses.values())
    assert losses['loss_bbox'] == losses['loss_giou'] == 0
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
