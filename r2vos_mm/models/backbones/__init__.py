"""Visual backbones. Image backbones (ResNet, 2-D Swin) are taken from MMDetection."""

from .checkpoints import (
    BackboneWeights,
    convert_swin,
    convert_video_swin,
    fit_backbone,
    load_backbone,
    read_state,
)
from .efficientnet_lite import EfficientNetLite
from .transformers_backbone import TransformersBackbone
from .video_swin import VideoSwinTransformer

__all__ = [
    'BackboneWeights',
    'EfficientNetLite',
    'TransformersBackbone',
    'VideoSwinTransformer',
    'convert_swin',
    'convert_video_swin',
    'fit_backbone',
    'load_backbone',
    'read_state',
]
