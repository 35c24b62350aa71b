"""Heads: what is read out of the grounded video."""
from .mask_predictors import DynamicMaskPredictor, LinearMaskPredictor
from .referring_mask_head import ReferringMaskHead
from .relational_cycle_head import RelationalCycleHead

__all__ = [
    'DynamicMaskPredictor', 'LinearMaskPredictor', 'ReferringMaskHead', 'RelationalCycleHead']
