"""Models without a verdict: consensus 1 by a logit of minus infinity is none to the metric."""

import math

import numpy as np
import torch
from samples import evaluate, sample_of

from r2vos_mm.evaluation.metrics.eval_sample import read_sample


def pairs(logits: list[float]) -> object:
    """A positive and a negative pair with a mask each, and the given misalignment logits."""
    masks = np.zeros((2, 1, 8, 8), dtype=bool)
    masks[..., :4] = True
    truth = masks.copy()
    truth[1] = False
    sample = sample_of('video', ['video/0/p', 'video/0/n0'], truth, masks, [1.0, 1.0])
    sample.pred_pairs.misalignment_logits = torch.tensor(logits)
    return sample


def test_consensus_of_minus_infinity_is_none():
    assert read_sample(pairs([-math.inf, -math.inf])).consensus is None
    assert read_sample(pairs([-math.inf, -40.0])).consensus.tolist() == [1.0, 1.0]


def test_gate_and_auroc_are_those_of_a_model_without_verdict():
    values = evaluate([pairs([-math.inf, -math.inf])])
    assert math.isnan(values['AUROC'])
    assert values['J'] == values['ungated/J'] == 100
    assert values['R'] == values['ungated/R'] == 0  # as much painted on the negative pair
