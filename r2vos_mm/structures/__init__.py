"""Data passed between the parts: samples of clips and pairs, and features of the model."""

from .features import (
    ClassScores,
    ClipFeatures,
    ClipMaps,
    CycleOutput,
    Features,
    GroundedFeatures,
    InstanceTargets,
    Memory,
    MultimodalClips,
    MultimodalMemory,
    PairTargets,
    QueryPredictions,
    TextFeatures,
    WordEvidence,
)
from .referring_data_sample import ReferringDataSample

__all__ = [
    'ClassScores',
    'ClipFeatures',
    'ClipMaps',
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
