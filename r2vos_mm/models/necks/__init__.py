"""Necks: combine vision and text."""

from .grounding_neck import GroundingNeck
from .multimodal_transformer_neck import MultimodalTransformerNeck
from .referformer_neck import ReferFormerNeck

__all__ = ['GroundingNeck', 'MultimodalTransformerNeck', 'ReferFormerNeck']
