"""Scoring masks on disk, from any method, without a model."""

from .coco_results import CocoOutcome, extra_figures, score_results
from .comparison import compare_rows, format_comparison
from .mask_files import MaskFileError, MaskFiles, open_masks
from .scoring import (
    Outcome,
    PairScorer,
    Problem,
    SemiSupervisedScorer,
    UnsupervisedScorer,
    VideoScorer,
    score_videos,
)
from .truth import (
    PngTruth,
    Truth,
    VideoTask,
    expression_tasks,
    find_truth,
    folder_tasks,
    pair_tasks,
)

__all__ = [
    'CocoOutcome',
    'MaskFileError',
    'MaskFiles',
    'Outcome',
    'PairScorer',
    'PngTruth',
    'Problem',
    'SemiSupervisedScorer',
    'Truth',
    'UnsupervisedScorer',
    'VideoScorer',
    'VideoTask',
    'compare_rows',
    'expression_tasks',
    'extra_figures',
    'find_truth',
    'folder_tasks',
    'format_comparison',
    'open_masks',
    'pair_tasks',
    'score_results',
    'score_videos',
]
