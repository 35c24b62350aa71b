"""Match predictions with targets, and read masks from logits."""

from .mask_readers import BilinearMaskReader, InputSizeMaskReader
from .match_costs import TubeDiceCost, TubeFocalCost, TubeGIoUCost, TubeL1Cost, TubeScoreCost
from .matchers import SequenceMatch, SequenceMatcher, TubeMatcher

__all__ = [
    'BilinearMaskReader',
    'InputSizeMaskReader',
    'SequenceMatch',
    'SequenceMatcher',
    'TubeDiceCost',
    'TubeFocalCost',
    'TubeGIoUCost',
    'TubeL1Cost',
    'TubeMatcher',
    'TubeScoreCost',
]
