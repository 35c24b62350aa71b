"""J&F, R and cgF1 over the threshold of a gate, by hand and against the metric."""

import numpy as np
import pytest
from samples import block, random_sample, sample_of

from r2vos_mm.evaluation.metrics.eval_sample import read_sample
from r2vos_mm.evaluation.metrics.metric_values import EvalSet, as_dictionary, metric_values
from r2vos_mm.evaluation.metrics.pair_scores import PairScores, pair_scores
from r2vos_mm.report.curves import gate_curves

EMPTY, FULL = np.zeros((1, 20, 50), dtype=bool), block(10, 40)


def scored(*sample) -> list[PairScores]:
    return pair_scores(read_sample(sample_of(*sample)), bound_th=0.008)


def test_by_hand():
    """Two videos: perfect masks with consensus 0.9 and 0.6; 200 of 400 pixels at 0.7 and at 0.1."""
    pairs, masks = [], np.stack([FULL, block(10, 20)])
    for name, consensus in (('a', [0.9, 0.7]), ('b', [0.6, 0.1])):
        truth = np.stack([FULL, EMPTY])
        pairs += scored(name, [f'{name}/0/p', f'{name}/0/n0'], truth, masks, consensus)
    found = gate_curves(pairs, [0, 0.5, 0.65, 0.8, 1])
    assert found['J&F'] == pytest.approx([100, 100, 50, 50, 0])
    # Areas of negatives / positives: 400/800, 200/800, 200/400, 0/400, 0/0
    assert found['R'] == pytest.approx([50, 75, 50, 100, 100])
    # MCC of 2 hits: 2 and 1 false; then 1 hit, 1 missed, 1 and 0 false; nothing
    mcc = [0, 2 / 12**0.5, 0, 2 / 12**0.5, 0]
    f1 = [1, 1, 2 / 3, 2 / 3, 0]
    assert found['cgF1'] == pytest.approx([100 * a * b for a, b in zip(mcc, f1)], abs=0.01)


def test_equal_to_the_metric_at_its_gate():
    """Samples are gated at 0.5."""
    pairs = [
        pair
        for index in range(5)
        for pair in pair_scores(read_sample(random_sample(index)), bound_th=0.008)
    ]
    known = as_dictionary(metric_values(EvalSet(pairs)))
    for name, values in gate_curves(pairs, [0, 0.5]).items():
        assert values == pytest.approx([known[f'ungated/{name}'], known[name]])


def test_without_consensus_there_is_no_curve():
    (pair,) = scored('a', ['a/0/p'], FULL[None], FULL[None], [0.9])
    assert gate_curves([PairScores(**{**vars(pair), 'consensus': None})]) == {}
    assert set(gate_curves([pair], [0.5])) == {'J&F'}
