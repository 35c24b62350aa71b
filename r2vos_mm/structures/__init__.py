"""The data passed between the parts: samples of clips and pairs, and features of the model."""
from .features import (
    ClipFeatures,
    CycleOutput,
    GroundedFeatures,
    Memory,
    PairTargets,
    SlotPredictions,
    TextFeatures,
)
from .referring_data_sample import ReferringDataSample

__all__ = [
    'ClipFeatures', 'CycleOutput', 'GroundedFeatures', 'Memory', 'PairTargets',
    'ReferringDataSample', 'SlotPredictions', 'TextFeatures']
