"""Fixtures of the visualization hook."""

from drawn_video import frames, sample

__all__ = ['frames', 'sample']
