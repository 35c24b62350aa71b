"""Building blocks of the model, one per file, put together by configs."""
from mmdet.models.layers import (
    DeformableDetrTransformerDecoder,
    DeformableDetrTransformerEncoder,
    SinePositionalEncoding3D,
)

from r2vos_mm.registry import MODELS

from .attention import MultiheadAttention
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
from .positions import FramewisePositionalEncoding, word_positions

# mmdet builds these by class, not by registry name; a config must be able to name them.
for _layer in (DeformableDetrTransformerEncoder, DeformableDetrTransformerDecoder,
               SinePositionalEncoding3D):
    if _layer.__name__ not in MODELS:
        MODELS.register_module(module=_layer)

__all__ = [
    'BatchWordPooling', 'DeformableDetrTransformerDecoder', 'DeformableDetrTransformerEncoder',
    'DualCrossAttention', 'DynamicFilter', 'EarlyGrounding', 'FramewisePositionalEncoding',
    'MultiheadAttention', 'MultimodalFusion', 'SentenceWordPooling', 'SinePositionalEncoding3D',
    'TopDownPyramid', 'pool_words', 'word_positions']
