"""Visual backbones. Image backbones (ResNet, 2-D Swin) are taken from MMDetection."""

from .checkpoints import (
    BackboneWeights,
    convert_swin,
    convert_video_swin,
    fit_backbone,
    load_backbone,
    read_state,
)
from .transformers_backbone import TransformersBackbone
from .video_swin import VideoSwinTransformer

__all__ = [
    'BackboneWeights',
    'TransformersBackbone',
    'VideoSwinTransformer',
    'convert_swin',
    'convert_video_swin',
    'fit_backbone',
    'load_backbone',
    'read_state',
]
