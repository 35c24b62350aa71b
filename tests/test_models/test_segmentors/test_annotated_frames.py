"""Clips of which only some frames are annotated: these alone go on from the backbone."""

import pytest
import torch
from chosen_queries import choose_queries
from mmengine.config import Config
from toy_models import CONFIGS, build_toy_segmentor, clip, sample

from r2vos_mm.structures import ReferringDataSample

SENTENCES = ['a red circle', 'the small dog on the left']
SIZE = (32, 32)


@pytest.fixture(scope='module')
def model() -> torch.nn.Module:
    torch.set_num_threads(1)
    config = Config.fromfile(CONFIGS / '_base_/models/mttr_tiny.py').model
    config.neck.temporal_mixing = None  # frames are independent then
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_toy_segmentor(config).eval()


def annotated(*flags: bool) -> ReferringDataSample:
    result = sample(SENTENCES, [False, False], frames=len(flags), size=SIZE)
    result.set_metainfo(dict(annotated_frames=list(flags)))
    for part in (result.gt_pairs, result.gt_instances):
        for frame in (t for t, flag in enumerate(flags) if not flag):
            part.masks[:, frame] = part.valid[:, frame] = False
    return result


def losses_of(model: torch.nn.Module, frames: torch.Tensor, item: ReferringDataSample) -> dict:
    data = model.data_preprocessor(dict(inputs=[frames], data_samples=[item]), training=True)
    return model(**data, mode='loss')


def test_losses_are_those_of_the_annotated_frame_alone(model):
    frames = clip(0, 3, 3, *SIZE)
    alone = sample(SENTENCES, [False, False], frames=1, size=SIZE)
    expected = losses_of(model, frames[1:2], alone)
    found = losses_of(model, frames, annotated(False, True, False))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_of_a_repeated_frame_the_first_counts(model):
    frames = clip(0, 2, 3, *SIZE)
    repeated = annotated(True, True, False)
    repeated.set_metainfo(dict(frame_ids=['00000', '00000', '00001']))
    found = losses_of(model, frames[[0, 0, 1]], repeated)
    expected = losses_of(model, frames, annotated(True, False))
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_clips_of_a_batch_have_equally_many(model):
    data = dict(
        inputs=[clip(0, 2, 3, *SIZE)] * 2,
        data_samples=[annotated(True, False), annotated(True, True)],
    )
    with pytest.raises(ValueError, match=r'\[1, 2\] annotated frames'):
        model(**model.data_preprocessor(data, training=True), mode='loss')


@pytest.mark.parametrize('window', [None, 2])
def test_predictions_keep_their_place_in_time(model, window):
    frames, before = clip(0, 3, 3, *SIZE), model.test_cfg.frames_per_pass
    model.test_cfg.frames_per_pass, model.test_cfg.candidates = window, True
    try:
        item = annotated(False, False, True)
        found = model.test_step(dict(inputs=[frames], data_samples=[item]))[0].pred_pairs
        alone = sample(SENTENCES, [False, False], frames=1, size=SIZE)
        expected = model.test_step(dict(inputs=[frames[2:]], data_samples=[alone]))[0].pred_pairs
    finally:
        model.test_cfg.frames_per_pass, model.test_cfg.candidates = before, False
    assert found.masks.shape == (2, 3, *SIZE)
    assert found.candidate_masks.shape == (2, 3, 10, *SIZE)
    assert torch.equal(found.masks[:, 2:], expected.masks)
    assert torch.equal(found.candidate_masks[:, 2:], expected.candidate_masks)
    torch.testing.assert_close(found.scores[:, 2:], expected.scores)
    assert not found.masks[:, :2].any()
    assert not found.scores[:, :2].any()


def test_attention_maps_keep_their_place_in_time():
    torch.set_num_threads(1)
    model = build_toy_segmentor(Config.fromfile(CONFIGS / '_base_/models/r2vos_tiny.py').model)
    model.eval().test_cfg.return_attention = True
    data = dict(inputs=[clip(0, 3, 3, *SIZE)], data_samples=[annotated(False, False, True)])
    pairs = model.test_step(data)[0].pred_pairs
    for name in ('grounding_attention', 'early_features'):
        assert pairs[name].shape[:2] == (2, 3)
        assert pairs[name][:, 2].any()
        assert not pairs[name][:, :2].any()


def test_queries_without_boxes_get_those_of_their_masks(model):
    data = dict(
        inputs=[clip(0, 2, 3, *SIZE)], data_samples=[sample(SENTENCES, [False, False], size=SIZE)]
    )
    pairs = model.test_step(data)[0].pred_pairs
    for mask, box in zip(pairs.masks.flatten(0, 1), pairs.boxes.flatten(0, 1)):
        rows, columns = (mask.any(axis).nonzero() for axis in (1, 0))
        if len(rows):
            expected = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            assert box.tolist() == [float(value) for value in expected]


def test_candidates_hold_the_chosen_query(model):
    config = model.test_cfg
    queries = model(
        **model.data_preprocessor(
            dict(
                inputs=[clip(0, 2, 3, *SIZE)],
                data_samples=[sample(SENTENCES, [False, False], size=SIZE)],
            ),
            training=False,
        ),
        mode='tensor',
    )[0]
    config.candidates = True
    try:
        pairs = choose_queries(queries, torch.full((2,), -9.0), SIZE, config=config)
    finally:
        config.candidates = False
    best = queries.scores.sigmoid().mean(1).argmax(-1)
    assert torch.equal(pairs.candidate_masks[[0, 1], :, best], pairs.masks)
    assert torch.equal(pairs.candidate_scores, queries.scores.sigmoid())


@pytest.mark.parametrize('negatives', [[False, True], [True, True]])
def test_negative_pairs_leave_no_parameter_out(model, negatives):
    item = sample(SENTENCES, negatives, size=SIZE)
    losses = losses_of(model, clip(0, 2, 3, *SIZE), item)
    total, _ = model.parse_losses(losses)
    assert total.isfinite()
    assert (total > 0).item() is (False in negatives)
    model.zero_grad()
    total.backward()
    left_out = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not left_out
