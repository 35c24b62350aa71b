"""Building blocks of the model, one per file, put together by configs."""

from mmdet.models.layers import (
    DeformableDetrTransformerDecoder,
    DeformableDetrTransformerEncoder,
    SinePositionalEncoding3D,
)

from r2vos_mm.registry import MODELS

from .attention import MultiheadAttention
from .cross_modal import CrossModalGrounding, CrossModalPyramid, VisionLanguageBlock
from .fpn import TopDownPyramid
from .fusion import MultimodalFusion
from .grounding import (
    BatchWordPooling,
    DualCrossAttention,
    DynamicFilter,
    EarlyGrounding,
    SentenceWordPooling,
    pool_words,
)
from .lean_detr import LeanDetrDecoder, LeanDetrEncoder
from .positions import FramewisePositionalEncoding, word_positions
from .spatial_decoder import SpatialDecoder
from .temporal_mixing import TemporalMixing

# mmdet builds these by class, not by registry name; a config must be able to name them.
for _layer in (
    DeformableDetrTransformerEncoder,
    DeformableDetrTransformerDecoder,
    SinePositionalEncoding3D,
):
    if _layer.__name__ not in MODELS:
        MODELS.register_module(module=_layer)

__all__ = [
    'BatchWordPooling',
    'CrossModalGrounding',
    'CrossModalPyramid',
    'DeformableDetrTransformerDecoder',
    'DeformableDetrTransformerEncoder',
    'DualCrossAttention',
    'DynamicFilter',
    'EarlyGrounding',
    'FramewisePositionalEncoding',
    'LeanDetrDecoder',
    'LeanDetrEncoder',
    'MultiheadAttention',
    'MultimodalFusion',
    'SentenceWordPooling',
    'SinePositionalEncoding3D',
    'SpatialDecoder',
    'TemporalMixing',
    'TopDownPyramid',
    'VisionLanguageBlock',
    'pool_words',
    'word_positions',
]
