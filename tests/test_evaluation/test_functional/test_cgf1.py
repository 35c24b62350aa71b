"""IL_MCC, IL_FPR, pmF1 and cgF1 by hand and against loops over samples and thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2vos_mm.evaluation import cgf1_scores, image_level_scores, positive_micro_f1


def scores(intersections, unions, answered, has_target) -> dict[str, float]:
    """All scores of S pairs; the counts of pairs without target are not looked at."""
    target = np.asarray(has_target, dtype=bool)
    decision = image_level_scores(answered, has_target)
    counts = (np.asarray(values)[target] for values in (intersections, unions, answered))
    return decision | cgf1_scores(decision['IL_MCC'], positive_micro_f1(*counts))


class TestByHand:
    """Four positives, three answered with IoU .9, .6 and .4; four negatives, one answered."""

    INTERSECTIONS, UNIONS = [9, 6, 4, 0, 0, 0, 0, 0], [10, 10, 10, 10, 5, 0, 0, 0]
    ANSWERED = [True, True, True, False, True, False, False, False]
    HAS_TARGET = [True] * 4 + [False] * 4

    def scores(self) -> dict[str, float]:
        return scores(self.INTERSECTIONS, self.UNIONS, self.ANSWERED, self.HAS_TARGET)

    def test_decision(self):
        # TP 3, FN 1, TN 3, FP 1: (TP TN - FP FN) / (sqrt(4 * 4 * 4 * 4) + 1e-6)
        assert self.scores()['IL_MCC'] == pytest.approx((3 * 3 - 1 * 1) / (16 + 1e-6), abs=1e-12)
        assert self.scores()['IL_FPR'] == pytest.approx(1 / (4 + 1e-6), abs=1e-12)

    def test_masks(self):
        # .50 to .60: TP 2, FP 1, FN 2; .65 to .90: TP 1, FP 2, FN 3; .95: none
        low = self.f1(2 / (3 + 1e-4), 2 / (4 + 1e-4))
        high = self.f1(1 / (3 + 1e-4), 1 / (4 + 1e-4))
        found = self.scores()
        assert found['pmF1@0.5'] == pytest.approx(low, abs=1e-12)
        assert found['pmF1@0.75'] == pytest.approx(high, abs=1e-12)
        assert found['pmF1'] == pytest.approx((3 * low + 6 * high + 0) / 10, abs=1e-12)
        assert 100 * found['cgF1@0.5'] == pytest.approx(28.6, abs=0.05)
        assert found['cgF1'] == pytest.approx(found['pmF1'] * found['IL_MCC'], abs=1e-12)

    @staticmethod
    def f1(precision: float, recall: float) -> float:
        return 2 * precision * recall / (precision + recall + 1e-4)


def test_an_iou_of_the_threshold_is_a_match():
    # 17 / 20 and .85 are the same float; .85 is the eighth threshold
    f1 = positive_micro_f1([17], [20], [True])
    assert (f1 > 0.9).tolist() == [True] * 8 + [False] * 2


@pytest.mark.parametrize('answers', [True, False])
def test_one_answer_to_everything_earns_nothing(answers: bool):
    found = scores([10, 10, 0], [10, 10, 4], [answers] * 3, [True, True, False])
    assert (found['IL_MCC'], found['cgF1']) == (0, 0)
    assert found['pmF1'] == pytest.approx(float(answers), abs=1e-3)


def test_perfect():
    found = scores([10, 0], [10, 0], [True, False], [True, False])
    assert 100 * found['cgF1'] == pytest.approx(100, abs=0.1)  # the epsilons, at one pair


def test_absent_classes_are_nan():
    only_targets = scores([1], [1], [True], [True])
    assert math.isnan(only_targets['IL_MCC'])
    assert math.isnan(only_targets['IL_FPR'])
    assert only_targets['pmF1'] > 0.99
    no_targets = scores([0], [4], [True], [False])
    assert no_targets['IL_FPR'] == pytest.approx(1, abs=1e-5)
    assert math.isnan(no_targets['pmF1'])
    assert math.isnan(no_targets['cgF1'])


def test_counts_beyond_64_bits():
    half = 60_000
    target = np.arange(4 * half) < 2 * half
    answered = np.arange(4 * half) % 2 == 0
    assert image_level_scores(answered, target)['IL_MCC'] == 0
    assert image_level_scores(target, target)['IL_MCC'] == pytest.approx(1)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match='one bool per pair'):
        image_level_scores([True], [True, False])
    with pytest.raises(ValueError, match='1 counts, but 2'):
        positive_micro_f1([1], [1], [True, True])


def by_loops(samples: list[tuple[int, int, bool, bool]]) -> dict[str, float]:
    """The scores as the evaluation code of SA-Co computes them: one sample, one threshold a time.

    Samples are (intersection, union, answered, has target); each has at most one mask and one
    annotation, so that the best matching is the one possible.
    """
    tp = sum(done and target for _, _, done, target in samples)
    fp = sum(done and not target for _, _, done, target in samples)
    tn = sum(not done and not target for _, _, done, target in samples)
    fn = sum(not done and target for _, _, done, target in samples)
    root = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    found = {'IL_MCC': (tp * tn - fp * fn) / (root + 1e-6), 'IL_FPR': fp / (fp + tn + 1e-6)}
    f1s = {}
    for hundredth in range(50, 100, 5):
        hits = false = missed = 0
        for inter, union, done, target in samples:
            if target:
                is_hit = done and 100 * inter >= hundredth * union
                hits, false = hits + is_hit, false + (done and not is_hit)
                missed += not is_hit
        precision, recall = hits / (hits + false + 1e-4), hits / (hits + missed + 1e-4)
        f1s[hundredth] = 2 * precision * recall / (precision + recall + 1e-4)
    means = {'': sum(f1s.values()) / 10, '@0.5': f1s[50], '@0.75': f1s[75]}
    for suffix, value in means.items():
        found |= {f'pmF1{suffix}': value, f'cgF1{suffix}': value * found['IL_MCC']}
    return found


@st.composite
def pair_sets(draw) -> list[tuple[int, int, bool, bool]]:
    """Pairs with counts of few pixels, so that IoUs equal thresholds often."""
    samples = []
    for _ in range(draw(st.integers(0, 12))):
        union = draw(st.integers(1, 40))
        inter = draw(st.integers(0, union))
        samples.append((inter, union, draw(st.booleans()), draw(st.booleans())))
    return [*samples, (3, 4, draw(st.booleans()), True), (0, 5, draw(st.booleans()), False)]


@settings(max_examples=200, deadline=None)
@given(pair_sets())
def test_loops_over_samples_give_the_same(samples):
    inter, union, answered, target = zip(*samples)
    found, expected = scores(inter, union, answered, target), by_loops(samples)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
