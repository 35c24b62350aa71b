"""Heads: predict masks, scores and the verdict from grounded features."""

from .instance_sequence_head import InstanceSequenceHead
from .mask_predictors import DynamicMaskPredictor, LinearMaskPredictor
from .referring_mask_head import ReferringMaskHead
from .relational_cycle_head import RelationalCycleHead

__all__ = [
    'DynamicMaskPredictor',
    'InstanceSequenceHead',
    'LinearMaskPredictor',
    'ReferringMaskHead',
    'RelationalCycleHead',
]
