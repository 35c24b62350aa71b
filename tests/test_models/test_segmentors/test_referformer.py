"""ReferFormer at toy size: the segmentor without a cycle head."""

import pytest
import torch
from mmengine.config import Config
from torch import nn
from toy_models import CONFIGS, build_toy_segmentor, clip, sample

from r2vos_mm.evaluation.metrics.eval_sample import read_sample

SIZE = (32, 32)
SENTENCES = ['a red circle', 'the small dog on the left', 'a boat']


@pytest.fixture(scope='module')
def model() -> nn.Module:
    torch.set_num_threads(1)
    config = Config.fromfile(CONFIGS / '_base_/models/referformer_tiny.py').model
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_toy_segmentor(config)
        model.init_weights()
    return model


@pytest.mark.parametrize('negatives', [[False, False, False], [False, True, True], [True] * 3])
def test_losses_reach_every_parameter(model, negatives):
    pairs = sample(SENTENCES, negatives, size=SIZE)
    data = dict(inputs=[clip(0, 2, 3, *SIZE)], data_samples=[pairs])
    model.train().zero_grad()
    losses = model(**model.data_preprocessor(data, training=True), mode='loss')
    terms = {
        f'{prefix}loss_{name}'
        for prefix in ('', 'd0.', 'd1.')
        for name in ('cls', 'bbox', 'giou', 'mask', 'dice')
    }
    assert losses.keys() == terms
    total, _ = model.parse_losses(losses)
    total.backward()
    assert total.isfinite()
    assert not [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]


def test_predictions_have_no_verdict(model):
    """The gate keeps all masks, the metric sees no consensus, and attention maps are returned."""
    video = sample(SENTENCES, [False, True, False], size=SIZE, frames=3)
    model.test_cfg.return_attention = True
    result = model.eval().test_step(dict(inputs=[clip(1, 3, 3, *SIZE)], data_samples=[video]))[0]
    model.test_cfg.return_attention = False
    pairs = result.pred_pairs
    assert torch.equal(pairs.masks, pairs.ungated_masks)
    assert torch.isneginf(pairs.misalignment_logits).all()
    cells = pairs.early_features.shape
    assert pairs.grounding_attention.shape == cells == (3, 3, 2, 2)  # stride 16
    result.gt_pairs.pair_ids = ['v/0/p', 'v/0/n', 'v/1/p']
    assert read_sample(result).consensus is None
