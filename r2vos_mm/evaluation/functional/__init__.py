from .aggregation import FrameStatistics, frame_statistics
from .bootstrap import Difference, Ratio, bootstrap_weights, paired_difference
from .foreground import (
    NO_TARGET,
    REASONING,
    REFERRING,
    visa_mean,
    visa_robustness,
    visa_robustness_of_counts,
)
from .matching import (
    Assignment,
    MatchedScores,
    ProposalScores,
    assign_scores,
    match_proposals,
    proposal_scores,
    resolve_overlaps,
    score_proposals,
)
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
from .verdict import (
    GateTable,
    VerdictCurve,
    auroc,
    average_precision,
    fpr_at_tpr,
    gate_table,
    verdict_curve,
)

__all__ = [
    'NO_TARGET',
    'REASONING',
    'REFERRING',
    'Assignment',
    'Difference',
    'FrameStatistics',
    'GateTable',
    'GeneralizedScores',
    'MaskScores',
    'MatchedScores',
    'MeanAveragePrecision',
    'OverlapScores',
    'PresenceScores',
    'ProposalScores',
    'Ratio',
    'Robustness',
    'ScoredMasks',
    'VerdictCurve',
    'assign_scores',
    'auroc',
    'average_precision',
    'bootstrap_weights',
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
    'paired_difference',
    'pairwise_robustness',
    'presence_scores',
    'proposal_scores',
    'region_similarity',
    'relative_robustness',
    'resolve_overlaps',
    'robustness',
    'score_masks',
    'score_proposals',
    'scored_masks',
    'verdict_curve',
    'visa_mean',
    'visa_robustness',
    'visa_robustness_of_counts',
]
