"""Scoring of masks on disk in parts: equal to scoring at once, in memory that stays the same."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from r2vos_mm.apis.scoring import mask_files as scoring
from r2vos_mm.apis.scoring.mask_files import (
    Outcome,
    VideoScorer,
    score_expressions,
    score_semi_supervised,
    score_unsupervised,
)
from r2vos_mm.evaluation.mask_files import MaskFiles, PairTask, PngGroundTruth, VideoTask

SCORERS = [score_expressions, score_semi_supervised, score_unsupervised]


class DrawnMasks(MaskFiles):
    """Maps of two objects that move, drawn when they are read."""

    def __init__(self, shift: int, size: tuple[int, int] = (60, 80)) -> None:
        super().__init__(Path('drawn'))
        self.shift = shift
        self.size = size

    def read(self, folder: str, frame: str, index: int, size: object = None) -> np.ndarray:
        ids = np.zeros(self.size, dtype=np.uint8)
        left = (3 * index + self.shift) % (self.size[1] - 30)
        ids[10:30, left : left + 25] = 1
        ids[35:50, 5 + self.shift : 30] = 2
        return ids

    def has_folder(self, folder: str) -> bool:
        return not folder.startswith('anno')


def outcome_of(scorer: VideoScorer, num_frames: int, size: tuple[int, int] = (60, 80)) -> Outcome:
    truth = PngGroundTruth(DrawnMasks(0, size))
    task = VideoTask(
        'v',
        tuple(f'{index:05d}' for index in range(num_frames)),
        tuple(PairTask(f'v/{i}/p', f'v/{i}', target=(str(i + 1),)) for i in range(2)),
    )
    return scorer(task, DrawnMasks(4, size), truth)


@pytest.mark.parametrize('scorer', SCORERS)
def test_parts_give_the_same_rows(scorer, monkeypatch):
    whole = outcome_of(scorer, 11)
    assert whole.pairs or whole.objects
    assert not whole.problems
    for frames_at_once in (1, 4, 100):
        monkeypatch.setattr(scoring, 'FRAMES_AT_ONCE', frames_at_once)
        assert outcome_of(scorer, 11) == whole


@pytest.mark.parametrize('scorer', SCORERS)
def test_memory_does_not_grow_with_the_video(scorer):
    peaks = []
    for num_frames in (32, 128):
        tracemalloc.start()
        outcome_of(scorer, num_frames, size=(120, 160))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The masks of 96 more frames would be 1.8 MB each; numbers per frame remain.
    assert peaks[1] < peaks[0] + 300_000
