"""Matching of predictions with targets."""
from .match_costs import TubeDiceCost, TubeFocalCost, TubeGIoUCost, TubeL1Cost, TubeScoreCost
from .tube_matcher import TubeMatcher

__all__ = [
    'TubeDiceCost', 'TubeFocalCost', 'TubeGIoUCost', 'TubeL1Cost', 'TubeMatcher', 'TubeScoreCost'
]
