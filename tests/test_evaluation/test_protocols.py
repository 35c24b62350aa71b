"""Named protocols: which frames count, what a sample is, which mean is taken."""

from __future__ import annotations

import numpy as np
import pytest
from samples import block, evaluate, sample_of

from r2vos_mm.evaluation import JFRMetric

EMPTY = np.zeros((1, 20, 50), dtype=bool)
FULL, HALF = block(10, 40), block(10, 20)


def clip(*frames: np.ndarray) -> np.ndarray:
    """Masks (1, T, H, W) of one pair."""
    return np.concatenate(frames)[None]


def test_frames_of_each_protocol():
    # J per frame: absent and silent 1, half of the object .5, the object 1, wrong 0
    sample = sample_of(
        'a', ['a/0/p'], clip(EMPTY, FULL, FULL, FULL), clip(EMPTY, HALF, FULL, EMPTY), [0.9]
    )
    figures = evaluate(
        [sample], protocols=['per_expression', 'from_first_appearance', 'davis_semi']
    )
    assert figures['J'] == pytest.approx(100 * (1 + 0.5 + 1 + 0) / 4)
    assert figures['from_first_appearance/J'] == pytest.approx(100 * (0.5 + 1 + 0) / 3)
    assert figures['davis_semi/J'] == pytest.approx(100 * (0.5 + 1) / 2)
    assert figures['ungated/davis_semi/J'] == figures['davis_semi/J']


def test_first_appearance_is_that_of_prediction_or_annotation():
    # A false alarm in frame 1 makes frame 1 count; with the gate closed counting starts at 2
    sample = sample_of('a', ['a/0/p'], clip(EMPTY, FULL), clip(HALF, FULL), [0.1])
    figures = evaluate([sample], protocols=['from_first_appearance'])
    assert figures['ungated/J'] == pytest.approx(100 * (0 + 1) / 2)
    assert figures['J'] == 0


def test_first_appearance_leaves_out_what_never_appears():
    samples = [
        sample_of('a', ['a/0/p'], clip(FULL), clip(HALF), [0.9]),
        sample_of('b', ['b/0/p'], clip(EMPTY), clip(EMPTY), [0.9]),
    ]
    figures = evaluate(samples, protocols=['from_first_appearance', 'per_expression'])
    assert figures['J'] == pytest.approx(50)
    assert figures['per_expression/J'] == pytest.approx(75)


@pytest.mark.parametrize('protocol', ['a2d', 'refcoco'])
def test_annotated_frames(protocol):
    # Frames without annotation do not count. (I, U): (200, 400), (400, 400)
    sample = sample_of(
        'a', ['a/0/p'], clip(EMPTY, FULL, EMPTY, FULL), clip(FULL, HALF, HALF, FULL), [0.9]
    )
    figures = evaluate([sample], protocols=[protocol])
    assert figures['oIoU'] == pytest.approx(100 * 600 / 800)
    assert figures['mIoU'] == pytest.approx(100 * (0.5 + 1) / 2)
    assert figures['P@0.5'] == figures['P@0.9'] == pytest.approx(50)
    assert 'J' not in figures
    # One score for both: the worse one, first in order, is right at .5 only. At the other nine
    # thresholds precision is 1/2 up to recall 1/2, which is 51 of 101 points.
    expected = 100 * (1 + 9 * 51 / 101 / 2) / 10
    assert figures.get('mAP_top1', expected) == pytest.approx(expected)
    assert ('mAP_top1' in figures) == (protocol == 'a2d')


class TestDavisUnsup:
    """Two objects side by side, four sentences each: expression 4 o + k."""

    LEFT, RIGHT = np.zeros((2, 1, 20, 50), dtype=bool)
    LEFT[0, 2:12, 2:12] = True
    RIGHT[0, 2:12, 30:40] = True

    def sample(self, predictions: list[np.ndarray]):
        ids = [f'a/{i}/p' for i in range(8)]
        gt = np.stack([self.LEFT] * 4 + [self.RIGHT] * 4)
        sample = sample_of('a', ids, gt, np.stack(predictions), [0.9] * 8)
        sample.gt_pairs.exp_ids = [str(i) for i in range(8)]
        sample.gt_pairs.obj_ids = ['1'] * 4 + ['2'] * 4
        return sample

    def test_swapped_identities_are_forgiven(self):
        left, right = self.LEFT, self.RIGHT
        # Annotator 0 right, 1 swapped, 2 nothing for object 2, 3 nothing at all
        predictions = [left, right, left, EMPTY, right, left, EMPTY, EMPTY]
        figures = evaluate([self.sample(predictions)], protocols=['davis_unsup', 'per_expression'])
        assert figures['J&F/annotator0'] == figures['J&F/annotator1'] == 100
        assert figures['J&F/annotator2'] == 50
        assert figures['J'] == pytest.approx((100 + 100 + 50 + 0) / 4)
        # Without matching, the swap costs both: 3 of 8 sentences are right
        assert figures['per_expression/J'] == pytest.approx(100 * 3 / 8)

    def test_a_pixel_has_one_owner(self):
        # Both sentences of annotator 0 claim both objects; the higher score takes all.
        both = self.LEFT | self.RIGHT
        sample = self.sample([both, *[EMPTY] * 3, both, *[EMPTY] * 3])
        sample.pred_pairs.scores[4] = 0.95
        # J of one object 100 / 200, of the other 0
        assert evaluate([sample], protocols=['davis_unsup'])['J'] == pytest.approx(
            100 * (0.5 + 0) / 2 / 4
        )

    def test_void_leaves_all_masks(self):
        predictions = [self.LEFT | block(1, 45)] + [EMPTY] * 7
        sample = self.sample(predictions)
        plain = evaluate([sample], protocols=['davis_unsup'])['J']
        void = np.broadcast_to(block(1, 45) & ~self.LEFT, (8, 1, 20, 50)).copy()
        sample.gt_pairs.void = void
        assert plain < evaluate([sample], protocols=['davis_unsup'])['J'] == 12.5

    @pytest.mark.parametrize(
        ('field', 'value', 'message'),
        [('obj_ids', [''] * 8, 'without object id'), ('exp_ids', ['x'] * 8, 'not numbers')],
    )
    def test_missing_ids(self, field, value, message):
        sample = self.sample([EMPTY] * 8)
        sample.gt_pairs[field] = value
        with pytest.raises(ValueError, match=f"video 'a'.*{message}"):
            evaluate([sample], protocols=['davis_unsup'])


@pytest.mark.parametrize('protocols', ['per_expression', [], ['official']])
def test_unknown_protocols_are_refused(protocols):
    with pytest.raises(ValueError, match='protocol'):
        JFRMetric(protocols=protocols)


def test_unknown_groups_are_refused():
    with pytest.raises(ValueError, match=r"unknown groups \['speed'\]; there are quality"):
        JFRMetric(groups=['quality', 'speed'])
