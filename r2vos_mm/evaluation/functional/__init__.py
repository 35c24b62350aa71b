"""Compute metrics from arrays and numbers, without torch or MMEngine."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'aggregation': ['FrameStatistics', 'frame_statistics'],
        'bootstrap': ['Difference', 'Ratio', 'bootstrap_weights', 'paired_difference'],
        'boxes': ['box_ious', 'box_scores'],
        'r2vos_mm.utils.masks_io': ['boxes_of_masks'],
        'cgf1': ['cgf1_scores', 'image_level_scores', 'positive_micro_f1'],
        'matching': ['assign_scores', 'match_proposals', 'resolve_overlaps', 'score_proposals'],
        'mean_ap': ['MaskCandidates', 'mask_candidates', 'mean_average_precision'],
        'no_target': ['generalized_scores', 'null_score'],
        'overlap': ['mttr_overlap_scores', 'overlap_scores'],
        'presence': ['presence_scores'],
        'region_contour': [
            *('MaskScores', 'boundary_radius', 'contour_accuracy'),
            *('region_similarity', 'score_masks'),
        ],
        'robustness_r2vos': ['pairwise_robustness', 'relative_robustness', 'robustness'],
        'robustness_visa': ['NO_TARGET', 'REASONING', 'REFERRING', 'visa_mean', 'visa_robustness'],
        'verdict': [
            *('VerdictCurve', 'auroc', 'average_precision'),
            *('fpr_at_tpr', 'gate_scores', 'verdict_curve'),
        ],
    },
)
