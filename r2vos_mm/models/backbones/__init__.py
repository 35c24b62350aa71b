"""Visual backbones. ResNet and 2-D Swin are MMDetection's."""

from .checkpoints import (
    BackboneWeights,
    convert_swin,
    convert_video_swin,
    find_state,
    fit_backbone,
    load_backbone,
    read_state,
)
from .efficientnet_lite import EfficientNetLite
from .folded_resnet import FoldedResNet
from .transformers_backbone import TransformersBackbone
from .video_swin import VideoSwinTransformer

__all__ = [
    'BackboneWeights',
    'EfficientNetLite',
    'FoldedResNet',
    'TransformersBackbone',
    'VideoSwinTransformer',
    'convert_swin',
    'convert_video_swin',
    'find_state',
    'fit_backbone',
    'load_backbone',
    'read_state',
]
