import doctest

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from r2vos_mm.structures import ReferringDataSample
from r2vos_mm.visualization import ClipView, PairView, balanced, pair_views, panels, spread, views


@pytest.mark.parametrize('module', [views, panels])
def test_examples_of_the_docstrings(module):
    assert doctest.testmod(module).failed == 0


def test_verdict_and_correctness():
    def correct(consensus, negative, threshold=0.5):
        return PairView('x', consensus=consensus, is_negative=negative, threshold=threshold).correct

    assert correct(0.9, False) is True
    assert correct(0.9, True) is False
    assert correct(0.1, True) is True
    assert correct(0.5, False) is True
    assert correct(0.5, False, threshold=0.6) is False
    assert correct(None, False) is None
    assert correct(0.9, None) is None


def test_pair_views_reads_truth_and_prediction(sample):
    first, second, third, fourth = pair_views(sample)
    assert [v.correct for v in (first, second, third, fourth)] == [True, False, True, False]
    assert first.masks.shape == (5, 40, 60)
    assert third.kind == 'other_video'
    # cxcywh (1/2, 1/2, 1/3, 1/2) and pixels (20, 10, 40, 30) of 60 x 40 are the same box
    expected = [1 / 3, 1 / 4, 2 / 3, 3 / 4]
    np.testing.assert_allclose(first.true_boxes[0], expected, atol=1e-6)
    np.testing.assert_allclose(first.boxes[0], expected, atol=1e-6)
    assert first.consensus == pytest.approx(0.9)


def test_pair_views_without_truth_or_prediction(sample):
    assert pair_views(sample, truth=False)[0].is_negative is None
    assert pair_views(sample, prediction=False)[0].masks is None
    del sample.gt_pairs.masks
    assert pair_views(sample)[0].true_masks is None


def test_a_model_that_judges_nothing_has_no_verdict(sample):
    sample.pred_pairs.misalignment_logits = torch.tensor([0.0, float('-inf'), 1.0, 2.0])
    assert [view.found for view in pair_views(sample)] == [True, None, False, True]


def test_a_sample_without_sentences_is_named():
    with pytest.raises(ValueError, match="'bear'"):
        pair_views(ReferringDataSample(metainfo={'video_id': 'bear'}))


def test_select_cuts_frames_and_arrays_alike(sample, frames):
    clip = ClipView(frames, pair_views(sample)[0], frame_ids=sample.frame_ids).select([0, 4])
    assert [frame[0, 0, 0] for frame in clip.frames] == [40, 200]
    assert clip.frame_ids == ['00000', '00004']
    assert len(clip.pair.masks) == len(clip.pair.scores) == 2
    assert clip.pair.sentence == 'a square'


@given(st.integers(1, 50), st.integers(1, 12))
def test_spread_is_rising_and_keeps_the_ends(length, count):
    chosen = spread(length, count)
    assert len(chosen) == min(length, count)
    assert chosen == sorted(set(chosen))
    assert count == 1 or (chosen[0] == 0 and chosen[-1] == length - 1)


def test_spread_over_nothing():
    with pytest.raises(ValueError, match='0 frames'):
        spread(0, 3)


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 10))
def test_balanced_fills_the_count_and_shows_both_kinds(negative, count):
    chosen = balanced(negative, count)
    assert len(chosen) == min(count, len(negative))
    assert chosen == sorted(set(chosen))
    if count > 1:
        assert {negative[i] for i in chosen} == set(negative)
