"""Visual backbones. Image backbones (ResNet, 2-D Swin) are taken from MMDetection."""

from .checkpoints import (
    CheckpointError,
    ConvertedWeights,
    FittedWeights,
    StoredState,
    convert_swin,
    convert_video_swin,
    fit_video_swin,
    fit_weights,
    load_video_swin,
    read_state,
    read_state_dict,
)
from .video_swin import VideoSwinTransformer

__all__ = [
    'CheckpointError',
    'ConvertedWeights',
    'FittedWeights',
    'StoredState',
    'VideoSwinTransformer',
    'convert_swin',
    'convert_video_swin',
    'fit_video_swin',
    'fit_weights',
    'load_video_swin',
    'read_state',
    'read_state_dict',
]
