"""Datasets of clips and pairs, their transforms, samplers and negative pairs."""

from .a2d_sentences_dataset import A2DSentencesDataset
from .base_referring_dataset import BaseReferringDataset
from .frame_sampling import sample_frame_indices
from .io.data_issues import DataFileError
from .io.mask_sources import LoadTargetMasks, PackTargetInputs
from .io.video import DecodeVideoFrames
from .jhmdb_sentences_dataset import JHMDBSentencesDataset
from .mevis_dataset import MeViSDataset
from .pairs.negatives import PairsFileNegatives, TrainNegatives
from .r2vos_dataset import R2VOSDataset
from .records import Clip, Expression, Pair, VideoRecord, normalise_sentence
from .ref_davis_dataset import RefDAVIS17Dataset
from .refcoco_dataset import RefCOCODataset
from .refshapes_frames import RefShapesFrames
from .samplers import ClipSampler, EpochClipSampler, EpochIndex
from .transforms import (
    ClipPhotoMetricDistortion,
    JitterFrame,
    LoadObjectMask,
    LoadVideoFrame,
    PackReferringInputs,
    SwapLeftRight,
    ThinSegMap,
)

__all__ = [
    'A2DSentencesDataset',
    'BaseReferringDataset',
    'Clip',
    'ClipPhotoMetricDistortion',
    'ClipSampler',
    'DataFileError',
    'DecodeVideoFrames',
    'EpochClipSampler',
    'EpochIndex',
    'Expression',
    'JHMDBSentencesDataset',
    'JitterFrame',
    'LoadObjectMask',
    'LoadTargetMasks',
    'LoadVideoFrame',
    'MeViSDataset',
    'PackReferringInputs',
    'PackTargetInputs',
    'Pair',
    'PairsFileNegatives',
    'R2VOSDataset',
    'RefCOCODataset',
    'RefDAVIS17Dataset',
    'RefShapesFrames',
    'SwapLeftRight',
    'ThinSegMap',
    'TrainNegatives',
    'VideoRecord',
    'normalise_sentence',
    'sample_frame_indices',
]
