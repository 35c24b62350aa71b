"""The data passed between the parts: samples of clips and pairs, and features of the model."""

from .features import (
    ClipFeatures,
    CycleOutput,
    GroundedFeatures,
    InstanceTargets,
    Memory,
    PairTargets,
    SlotPredictions,
    TextFeatures,
)
from .multimodal import MultimodalClips, MultimodalMemory
from .referring_data_sample import ReferringDataSample

__all__ = [
    'ClipFeatures',
    'CycleOutput',
    'GroundedFeatures',
    'InstanceTargets',
    'Memory',
    'MultimodalClips',
    'MultimodalMemory',
    'PairTargets',
    'ReferringDataSample',
    'SlotPredictions',
    'TextFeatures',
]
