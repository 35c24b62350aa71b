"""Segment streams of frames window by window."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'stream': ['StreamPart', 'stream_video'],
        'writer': ['StreamWriter'],
    },
)
