"""Heads: what is read out of the grounded video."""
from .mask_predictors import LinearMaskPredictor
from .referring_mask_head import ReferringMaskHead
from .relational_cycle_head import RelationalCycleHead

__all__ = ['LinearMaskPredictor', 'ReferringMaskHead', 'RelationalCycleHead']
