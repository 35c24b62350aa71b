"""Hungarian matching of proposals and objects."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from r2vos_mm.evaluation import match_proposals


def test_worked_example():
    # Proposal 1: A .2, B .9; proposal 2: A .8, B .1. Identity would give (.2 + .1) / 2 = .15
    assert match_proposals(np.array([[0.2, 0.9], [0.8, 0.1]])) == [1, 0]


def test_more_proposals_than_objects():
    assert match_proposals(np.array([[0.1], [0.7], [0.3]])) == [1]


@settings(deadline=None)
@given(hnp.arrays(np.float64, (3, 3), elements=st.floats(0, 1)))
def test_no_other_order_is_better(quality):
    best = max(sum(quality[p, o] for o, p in enumerate(order)) for order in permutations(range(3)))
    chosen = match_proposals(quality)
    assert len(set(chosen)) == 3
    assert sum(quality[chosen, range(3)]) == pytest.approx(best)


def test_too_few_proposals_and_nan():
    with pytest.raises(ValueError, match='pad with empty proposals'):
        match_proposals(np.ones((1, 2)))
    with pytest.raises(ValueError, match='finite'):
        match_proposals(np.array([[float('nan')]]))
