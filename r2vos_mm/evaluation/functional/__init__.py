from .aggregation import FrameStatistics, frame_statistics
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
    'FrameStatistics',
    'GateTable',
    'MaskScores',
    'Robustness',
    'auroc',
    'average_precision',
    'boundary_radius',
    'contour_accuracy',
    'fpr_at_tpr',
    'frame_statistics',
    'gate_table',
    'pairwise_robustness',
    'region_similarity',
    'relative_robustness',
    'robustness',
    'score_masks',
]
