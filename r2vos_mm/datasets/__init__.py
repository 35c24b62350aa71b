"""Datasets of clips and pairs, their transforms, samplers and negative pairs."""
from .base_referring_dataset import BaseReferringDataset
from .frame_sampling import sample_frame_indices
from .negatives import PairsFileNegatives, TrainNegatives
from .problems import DataFileError
from .r2vos_dataset import R2VOSDataset
from .records import Clip, Expression, Pair, VideoRecord, normalise_sentence
from .samplers import ClipSampler, EpochClipSampler, EpochIndex
from .transforms import (
    ClipPhotoMetricDistortion,
    LoadObjectMask,
    LoadVideoFrame,
    PackReferringInputs,
    SwapLeftRight,
)

__all__ = [
    'BaseReferringDataset', 'Clip', 'ClipPhotoMetricDistortion', 'ClipSampler', 'DataFileError',
    'EpochClipSampler', 'EpochIndex', 'Expression', 'LoadObjectMask', 'LoadVideoFrame',
    'PackReferringInputs', 'Pair', 'PairsFileNegatives', 'R2VOSDataset', 'SwapLeftRight',
    'TrainNegatives', 'VideoRecord', 'normalise_sentence', 'sample_frame_indices'
]
