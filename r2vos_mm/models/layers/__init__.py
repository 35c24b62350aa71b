"""Building blocks of the model, combined by configs."""

from mmdet.models.layers import SinePositionalEncoding3D

from r2vos_mm.registry import MODELS

from .attention import MultiheadAttention
from .clip_blocks import DualCrossAttention, VisionLanguageBlock
from .detr_layers import (
    DeformableDetrTransformerDecoder,
    DeformableDetrTransformerEncoder,
    DetrDecoderWithoutAttentionWeights,
    DetrEncoderWithoutAttentionWeights,
)
from .dynamic_filter import BatchWordPooling, DynamicFilter, SentenceWordPooling, pool_words
from .early_grounding import CrossModalGrounding, EarlyGrounding
from .fusion import MultimodalFusion
from .positions import FramewisePositionalEncoding, word_positions
from .pyramids import CrossModalPyramid, SpatialDecoder, TopDownPyramid
from .temporal_mixing import TemporalMixing
from .word_maps import WordMapProjection, WordMaps

# MMDetection builds it by class, not by registry name; a config must be able to name it.
if 'SinePositionalEncoding3D' not in MODELS:
    MODELS.register_module(module=SinePositionalEncoding3D)

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
