"""Necks: where text enters vision."""
from .grounding_neck import GroundingNeck, level_layout

__all__ = ['GroundingNeck', 'level_layout']
