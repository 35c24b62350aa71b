"""Two methods on the same pairs, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from samples import block, sample_of

from r2vos_mm.apis.scoring.compare import compare_scores, format_comparison
from r2vos_mm.evaluation.metrics.eval_sample import read_sample
from r2vos_mm.evaluation.metrics.pair_scores import PairScores, pair_scores

EMPTY = np.zeros((1, 20, 50), dtype=bool)
FULL, HALF = block(10, 40), block(10, 20)


def rows(*masks: tuple[np.ndarray, np.ndarray]) -> list[PairScores]:
    """Rows of one positive and one negative pair per video, with the masks predicted for them."""
    found = []
    for name, predicted in zip('ab', masks):
        ids, truth = [f'{name}/0/p', f'{name}/0/n0'], np.stack([FULL, EMPTY])
        sample = sample_of(name, ids, truth, np.stack(predicted), [0.9, 0.9])
        found += pair_scores(read_sample(sample), bound_th=0.008)
    return found


def test_values_and_intervals():
    # A: J 1 and .5, areas 400 + 200 and 0 + 100; B: J 1 and 0, areas 400 + 0 and 400 + 0
    first = rows((FULL, EMPTY), (HALF, block(10, 10)))
    second = rows((FULL, FULL), (EMPTY, EMPTY))
    found = compare_scores(first, second)
    assert (found['J'].first, found['J'].second) == pytest.approx((75, 50))
    assert (found['R'].first, found['R'].second) == pytest.approx(
        (100 * (1 - 100 / 600), 100 * (1 - 400 / 400))
    )
    assert found['J&F&R'].first == pytest.approx(
        (found['J'].first + found['F'].first + found['R'].first) / 3
    )
    # Draws of two videos: a twice 0, both 25, b twice 50
    assert (found['J'].low, found['J'].high) == pytest.approx((0, 50))


def test_without_negatives_there_is_no_r():
    positives = [row for row in rows((FULL, EMPTY)) if not row.is_negative]
    assert set(compare_scores(positives, positives)) == {'J', 'F', 'J&F'}


def test_table_marks_what_is_not_chance():
    first, second = rows((FULL, EMPTY), (FULL, EMPTY)), rows((HALF, EMPTY), (HALF, EMPTY))
    lines = format_comparison(compare_scores(first, second), ('ours', 'theirs')).splitlines()
    assert lines[1].split() == ['J', '100.00', '50.00', '+50.00', '[+50.00,', '+50.00]', '*']
    assert not lines[4].endswith('*')  # R is 100 for both


def test_other_pairs_are_refused():
    with pytest.raises(ValueError, match='2 are in one of them only'):
        compare_scores(rows((FULL, EMPTY)), rows((FULL, EMPTY), (FULL, EMPTY)))
    negatives = [row for row in rows((FULL, EMPTY)) if row.is_negative]
    with pytest.raises(ValueError, match='no pair is annotated'):
        compare_scores(negatives, negatives)
