"""R in its three forms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2vos_mm.evaluation import pairwise_robustness, relative_robustness, robustness


def test_worked_example():
    # Two frames of 1,000 pixels per pair.
    forms = robustness(
        [400, 200],
        [60, 0],
        positive_fractions=[0.2, 0.1],
        negative_fractions=[0.03, 0],
        positive_of_negative=[0, 1],
    )
    assert forms['R'] == pytest.approx(1 - 60 / 600)
    assert forms['R_frac'] == pytest.approx(1 - 0.015 / 0.15)
    assert forms['R_pair'] == pytest.approx((0.85 + 1) / 2)


def test_longer_second_pair_changes_the_fractions_only():
    # Four frames in the second pair: fractions .05 and 0.
    forms = robustness(
        [400, 200], [60, 0], positive_fractions=[0.2, 0.05], negative_fractions=[0.03, 0]
    )
    assert forms['R'] == pytest.approx(0.9)
    assert forms['R_frac'] == pytest.approx(1 - 0.015 / 0.125)
    assert math.isnan(forms['R_pair'])


def test_three_negatives_per_positive():
    # 1 - (60 / 3) / 600 = 0.9667, with and without knowing which belongs to which
    negatives, owners = [60, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1]
    expected = pytest.approx(1 - 20 / 600)
    assert relative_robustness([400, 200], negatives) == expected
    assert relative_robustness([400, 200], negatives, positive_of_negative=owners) == expected


def test_uneven_negatives_weigh_each_positive_once():
    # Means per positive 20 and 30: 1 - 50 / 600; drawing one of them twice changes nothing.
    owners = [0, 0, 0, 1]
    value = relative_robustness([400, 200], [60, 0, 0, 30], positive_of_negative=owners)
    assert value == pytest.approx(1 - 50 / 600)
    twice = relative_robustness([400, 200], [60, 0, 0, 30, 30], positive_of_negative=[*owners, 1])
    assert twice == pytest.approx(value)


def test_positives_without_negatives_stay_out_of_the_denominator():
    # Only the first positive has negatives: 1 - 100 / 400
    value = relative_robustness([400, 200], [100], positive_of_negative=[0])
    assert value == pytest.approx(0.75)


@settings(deadline=None)
@given(
    areas=st.lists(st.floats(1, 1e6), min_size=1, max_size=6),
    counts=st.lists(st.integers(1, 4), min_size=6, max_size=6),
)
def test_model_blind_to_the_sentence_has_no_robustness(areas: list[float], counts: list[int]):
    owners = [index for index in range(len(areas)) for _ in range(counts[index])]
    negatives = [areas[index] for index in owners]
    value = relative_robustness(areas, negatives, positive_of_negative=owners)
    assert value == pytest.approx(0, abs=1e-9)
    assert pairwise_robustness(areas, negatives, positive_of_negative=owners) == pytest.approx(
        0, abs=1e-9
    )


def test_a_blind_model_is_judged_by_fractions_whatever_the_lengths():
    # The full frame of 1,000 px everywhere; the negatives sit on longer clips (2, 3 against 2, 4
    # frames): R_sum = 1 - 6000 / 5000, R_frac = 1 - 1 / 1
    forms = robustness(
        [2000, 3000], [2000, 4000], positive_fractions=[1, 1], negative_fractions=[1, 1],
        positive_of_negative=[0, 1],
    )  # fmt: skip
    assert forms['R'] == pytest.approx(-0.2)
    assert forms['R_frac'] == 0
    assert forms['R_pair'] == 0


def test_can_be_negative():
    assert relative_robustness([400, 200], [900, 0]) == pytest.approx(-0.5)


def test_no_foreground_on_positives():
    assert relative_robustness([0, 0], [0, 0]) == 1.0
    with pytest.warns(UserWarning, match='R is set to 0'):
        assert relative_robustness([0, 0], [5, 0]) == 0.0


def test_pairwise_terms():
    # 1 - min(1, .3 / .2) = 0; empty positive with empty negative 1, with other negative 0
    value = pairwise_robustness([0.2, 0, 0], [0.3, 0, 0.1], positive_of_negative=[0, 1, 2])
    assert value == pytest.approx((0 + 1 + 0) / 3)


@pytest.mark.parametrize(('positives', 'negatives'), [([], [1.0]), ([1.0], []), ([], [])])
def test_absent_class_is_nan(positives, negatives):
    assert math.isnan(relative_robustness(positives, negatives))
    owners = [0] * len(negatives)
    assert math.isnan(pairwise_robustness(positives, negatives, positive_of_negative=owners))


def test_errors():
    with pytest.raises(ValueError, match='negative pairs'):
        relative_robustness([1.0], [float('nan')])
    with pytest.raises(ValueError, match='positive pairs'):
        relative_robustness([-1.0], [1.0])
    with pytest.raises(ValueError, match='positive_of_negative'):
        relative_robustness([1.0], [1.0], positive_of_negative=[1])
