"""Building blocks of the model, one per file, combined by configs."""

from mmdet.models.layers import DeformableDetrTransformerDecoder, SinePositionalEncoding3D

from r2vos_mm.registry import MODELS

from .attention import MultiheadAttention
from .cross_modal_grounding import CrossModalGrounding
from .cross_modal_pyramid import CrossModalPyramid
from .deformable_encoder import DeformableDetrTransformerEncoder
from .detr_without_attention_weights import (
    DetrDecoderWithoutAttentionWeights,
    DetrEncoderWithoutAttentionWeights,
)
from .dual_cross_attention import DualCrossAttention
from .dynamic_filter import DynamicFilter
from .early_grounding import EarlyGrounding
from .fusion import MultimodalFusion
from .positions import FramewisePositionalEncoding, word_positions
from .spatial_decoder import SpatialDecoder
from .temporal_mixing import TemporalMixing
from .top_down_pyramid import TopDownPyramid
from .vision_language_block import VisionLanguageBlock
from .word_maps import WordMapProjection, WordMaps
from .word_pooling import BatchWordPooling, SentenceWordPooling, pool_words

# mmdet builds these by class, not by registry name; a config must be able to name them.
for _layer in (DeformableDetrTransformerDecoder, SinePositionalEncoding3D):
    if _layer.__name__ not in MODELS:
        MODELS.register_module(module=_layer)

__all__ = [
    'BatchWordPooling',
    'CrossModalGrounding',
    'CrossModalPyramid',
    'DeformableDetrTransformerDecoder',
    'DeformableDetrTransformerEncoder',
    'DetrDecoderWithoutAttentionWeights',
    'DetrEncoderWithoutAttentionWeights',
    'DualCrossAttention',
    'DynamicFilter',
    'EarlyGrounding',
    'FramewisePositionalEncoding',
    'MultiheadAttention',
    'MultimodalFusion',
    'SentenceWordPooling',
    'SinePositionalEncoding3D',
    'SpatialDecoder',
    'TemporalMixing',
    'TopDownPyramid',
    'VisionLanguageBlock',
    'WordMapProjection',
    'WordMaps',
    'pool_words',
    'word_positions',
]
