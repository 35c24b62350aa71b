"""Named protocols: which frames count, what a sample is, which mean is taken."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from samples import block, evaluate, sample_of

from r2vos_mm.evaluation import JFRMetric
from r2vos_mm.evaluation.metrics.eval_sample import read_sample
from r2vos_mm.evaluation.metrics.metric_values import EvalSet, as_dictionary, metric_values
from r2vos_mm.evaluation.metrics.pair_scores import pair_scores
from r2vos_mm.evaluation.metrics.scores_csv import read_pairs

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
    values = evaluate([sample], protocols=['per_expression', 'from_first_appearance', 'davis_semi'])
    assert values['J'] == pytest.approx(100 * (1 + 0.5 + 1 + 0) / 4)
    assert values['from_first_appearance/J'] == pytest.approx(100 * (0.5 + 1 + 0) / 3)
    assert values['davis_semi/J'] == pytest.approx(100 * (0.5 + 1) / 2)
    assert values['ungated/davis_semi/J'] == values['davis_semi/J']


def test_first_appearance_is_that_of_prediction_or_annotation():
    # A false alarm in frame 1 makes frame 1 count; with the gate closed counting starts at 2
    sample = sample_of('a', ['a/0/p'], clip(EMPTY, FULL), clip(HALF, FULL), [0.1])
    values = evaluate([sample], protocols=['from_first_appearance'])
    assert values['ungated/J'] == pytest.approx(100 * (0 + 1) / 2)
    assert values['J'] == 0


def test_first_appearance_leaves_out_what_never_appears():
    samples = [
        sample_of('a', ['a/0/p'], clip(FULL), clip(HALF), [0.9]),
        sample_of('b', ['b/0/p'], clip(EMPTY), clip(EMPTY), [0.9]),
    ]
    values = evaluate(samples, protocols=['from_first_appearance', 'per_expression'])
    assert values['J'] == pytest.approx(50)
    assert values['per_expression/J'] == pytest.approx(75)


@pytest.mark.parametrize('protocol', ['a2d', 'refcoco'])
def test_annotated_frames(protocol):
    # Frames without annotation do not count. (I, U): (200, 400), (400, 400)
    sample = sample_of(
        'a', ['a/0/p'], clip(EMPTY, FULL, EMPTY, FULL), clip(FULL, HALF, HALF, FULL), [0.9]
    )
    values = evaluate([sample], protocols=[protocol])
    assert values['oIoU'] == pytest.approx(100 * 600 / 800)
    assert values['mIoU'] == pytest.approx(100 * (0.5 + 1) / 2)
    assert values['P@0.5'] == values['P@0.9'] == pytest.approx(50)
    assert 'J' not in values
    # One score for both: the worse one, first in order, is right at .5 only. At the other nine
    # thresholds precision is 1/2 up to recall 1/2, which is 51 of 101 points.
    expected = 100 * (1 + 9 * 51 / 101 / 2) / 10
    assert values.get('mAP_top1', expected) == pytest.approx(expected)
    assert ('mAP_top1' in values) == (protocol == 'a2d')


def test_frames_that_nobody_annotated_are_no_absent_objects():
    # The middle frame alone is annotated, and its score alone ranks the mask
    sample = sample_of('a', ['a/0/p'], clip(EMPTY, FULL, EMPTY), clip(FULL, HALF, FULL), [0.9])
    sample.pred_pairs.scores = torch.tensor([[0.1, 0.8, 0.1]])
    sample.set_metainfo(dict(annotated_frames=[False, True, False], frame_ids=['1', '2', '3']))
    assert evaluate([sample], protocols=['per_expression'])['J'] == 50
    (row,) = pair_scores(read_sample(sample).in_annotated_frames(), bound_th=0.008)
    assert (row.frame_ids, row.areas, row.score) == (('2',), (200,), pytest.approx(0.8))
    sample.set_metainfo(dict(annotated_frames=[False] * 3))
    with pytest.raises(ValueError, match="annotated_frames of video 'a' must mark at least one"):
        evaluate([sample])


class TestCandidates:
    """mAP from all masks that the model had to choose from."""

    def sample(self, consensus: float = 0.9):
        # Two annotated frames; per frame a right mask (.9, .5) and a wrong one (.2, .7)
        sample = sample_of('a', ['a/0/p'], clip(EMPTY, FULL, FULL), clip(EMPTY, FULL, EMPTY),
                           [consensus])  # fmt: skip
        wrong = ~FULL
        masks = np.stack([np.concatenate([mask, mask, mask]) for mask in (FULL, wrong)], axis=1)
        sample.pred_pairs.candidate_masks = torch.from_numpy(masks[None])
        sample.pred_pairs.candidate_scores = torch.tensor([[[0.0, 1.0], [0.9, 0.2], [0.5, 0.7]]])
        return sample

    def test_of_all_masks(self):
        values = evaluate([self.sample()], protocols=['a2d'])
        # Ranks: right (.9), wrong (.7), right (.5), wrong: 51 points at 1, 50 at 2/3
        assert values['mAP'] == pytest.approx(100 * (51 + 50 * 2 / 3) / 101)
        assert values['mAP@0.75'] == pytest.approx(values['mAP'])
        # 400 pixels are below 32^2, larger ones are not annotated
        assert values['mAP_small'] == pytest.approx(values['mAP'])
        assert math.isnan(values['mAP_large'])
        assert 'mAP_top1' not in values

    def test_the_gate_takes_all(self):
        values = evaluate([self.sample(consensus=0.1)], protocols=['a2d'])
        assert values['mAP'] == 0
        assert values['ungated/mAP'] > 80

    def test_the_csv_gives_it_again(self, tmp_path):
        values = evaluate([self.sample()], protocols=['a2d'], csv_path=tmp_path / 'pairs.csv')
        rows = read_pairs(tmp_path / 'pairs.csv')
        again = as_dictionary(metric_values(EvalSet(rows, protocols=['a2d'], groups=['quality'])))
        assert again['mAP'] == values['mAP']
        assert rows[0].candidates[1].scores == pytest.approx((0.9, 0.2))

    def test_wrong_candidates(self):
        sample = self.sample()
        sample.pred_pairs.candidate_scores = sample.pred_pairs.candidate_scores[..., :1]
        with pytest.raises(ValueError, match="candidate_scores of video 'a' has shape"):
            evaluate([sample])


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
        values = evaluate([self.sample(predictions)], protocols=['davis_unsup', 'per_expression'])
        assert values['J&F/annotator0'] == values['J&F/annotator1'] == 100
        assert values['J&F/annotator2'] == 50
        assert values['J'] == pytest.approx((100 + 100 + 50 + 0) / 4)
        # Without matching, the swap costs both: 3 of 8 sentences are right
        assert values['per_expression/J'] == pytest.approx(100 * 3 / 8)

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
        sample.gt_void = torch.from_numpy(block(1, 45) & ~self.LEFT)
        assert plain < evaluate([sample], protocols=['davis_unsup'])['J'] == 12.5

    def test_wrong_void(self):
        sample = self.sample([EMPTY] * 8)
        sample.gt_void = torch.zeros(1, 20, 50)
        with pytest.raises(TypeError, match="gt_void of video 'a' must be bool"):
            evaluate([sample], protocols=['davis_unsup'])
        sample.gt_void = torch.zeros(2, 20, 50) > 0
        with pytest.raises(ValueError, match=r"gt_void of video 'a' has shape .* = \(1, 20, 50\)"):
            evaluate([sample], protocols=['davis_unsup'])

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
