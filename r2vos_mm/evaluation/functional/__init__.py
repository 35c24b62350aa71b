from .aggregation import FrameStatistics, frame_statistics
from .foreground import visa_mean, visa_robustness
from .matching import Assignment, match_proposals
from .mean_average_precision import (
    MeanAveragePrecision,
    ScoredMasks,
    mean_average_precision,
    scored_masks,
)
from .no_target import GeneralizedScores, generalized_scores, null_score
from .overlap import OverlapScores, mttr_overlap_scores, overlap_scores
from .presence import PresenceScores, presence_scores
from .region_contour import (
    MaskScores,
    boundary_radius,
    contour_accuracy,
    region_similarity,
    score_masks,
)
from .robustness import Robustness, pairwise_robustness, relative_robustness, robustness
from .verdict import GateTable, auroc, average_precision, fpr_at_tpr, gate_table

__all__ = [
    'Assignment',
    'FrameStatistics',
    'GateTable',
    'GeneralizedScores',
    'MaskScores',
    'MeanAveragePrecision',
    'OverlapScores',
    'PresenceScores',
    'Robustness',
    'ScoredMasks',
    'auroc',
    'average_precision',
    'boundary_radius',
    'contour_accuracy',
    'fpr_at_tpr',
    'frame_statistics',
    'gate_table',
    'generalized_scores',
    'match_proposals',
    'mean_average_precision',
    'mttr_overlap_scores',
    'null_score',
    'overlap_scores',
    'pairwise_robustness',
    'presence_scores',
    'region_similarity',
    'relative_robustness',
    'robustness',
    'score_masks',
    'scored_masks',
    'visa_mean',
    'visa_robustness',
]
