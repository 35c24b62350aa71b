"""Fixtures of drawings."""

from drawn_video import frames, sample

__all__ = ['frames', 'sample']
