"""Necks: combine vision and text."""

from .grounding_neck import GroundingNeck, ReferFormerNeck
from .multimodal_transformer_neck import MultimodalTransformerNeck

__all__ = ['GroundingNeck', 'MultimodalTransformerNeck', 'ReferFormerNeck']
