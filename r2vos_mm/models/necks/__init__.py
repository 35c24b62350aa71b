"""Necks: where text enters vision."""

from .grounding_neck import GroundingNeck, level_layout
from .multimodal_transformer_neck import MultimodalTransformerNeck, xavier_matrices
from .referformer_neck import ReferFormerNeck

__all__ = [
    'GroundingNeck',
    'MultimodalTransformerNeck',
    'ReferFormerNeck',
    'level_layout',
    'xavier_matrices',
]
