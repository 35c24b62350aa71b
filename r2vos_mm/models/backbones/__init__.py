"""Visual backbones. Image backbones (ResNet, 2-D Swin) are taken from MMDetection."""
from .checkpoints import (
    CheckpointError,
    ConvertedWeights,
    LoadReport,
    convert_swin,
    convert_video_swin,
    load_video_swin,
    read_state_dict,
)
from .video_swin import VideoSwinTransformer

__all__ = [
    'CheckpointError', 'ConvertedWeights', 'LoadReport', 'VideoSwinTransformer', 'convert_swin',
    'convert_video_swin', 'load_video_swin', 'read_state_dict'
]
