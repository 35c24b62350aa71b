"""Data passed between the parts: samples of clips and pairs, and features of the model."""

from .base_features import Features
from .features import (
    ClassScores,
    ClipFeatures,
    CycleOutput,
    GroundedFeatures,
    InstanceTargets,
    Memory,
    PairTargets,
    QueryPredictions,
    TextFeatures,
    WordEvidence,
)
from .multimodal import MultimodalClips, MultimodalMemory
from .referring_data_sample import ReferringDataSample

__all__ = [
    'ClassScores',
    'ClipFeatures',
    'CycleOutput',
    'Features',
    'GroundedFeatures',
    'InstanceTargets',
    'Memory',
    'MultimodalClips',
    'MultimodalMemory',
    'PairTargets',
    'QueryPredictions',
    'ReferringDataSample',
    'TextFeatures',
    'WordEvidence',
]
