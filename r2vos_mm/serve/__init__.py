"""Serve a local web page on which videos are segmented in a browser."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'app': ['build_app'],
        'clips': ['StoredClip', 'ClipStore', 'Limits', 'find_samples'],
        'jobs': ['QueuedJob', 'JobQueue'],
        'results': ['page_record', 'segment_clip'],
        'server': ['serve'],
    },
)
