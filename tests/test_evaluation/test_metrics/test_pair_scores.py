"""Scores of pairs whose masks a gate empties."""

from dataclasses import replace

import numpy as np
from samples import random_sample, sample_of

from r2vos_mm.evaluation.metrics.eval_sample import read_sample
from r2vos_mm.evaluation.metrics.pair_scores import PairScores, emptied, pair_scores


def scored(sample) -> list[PairScores]:
    return pair_scores(read_sample(sample), bound_th=0.008)


def test_emptied_by_hand():
    """Annotated are a block, nothing, and the whole frame, which has no boundary."""
    truth = np.zeros((1, 3, 20, 30), dtype=bool)
    truth[0, 0, 5:9, 5:9], truth[0, 2] = True, True
    (pair,) = scored(sample_of('v', ['v/0/p'], truth, truth, [0.9]))
    found = emptied(pair)
    assert (found.areas, found.intersections) == ((0, 0, 0), (0, 0, 0))
    assert (found.region, found.contour) == ((0, 1, 0), (0, 1, 1))
    assert found.gt_areas == pair.gt_areas == (16, 0, 600)


def test_emptied_equals_empty_masks():
    pairs = scored(random_sample(3))
    rejected = random_sample(3)
    rejected.pred_pairs.masks &= False
    gated = [replace(pair, before_gate=None) for pair in scored(rejected)]
    assert [emptied(pair) for pair in pairs] == gated
