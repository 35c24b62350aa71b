"""Label collections of videos, in any number of processes."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'labeller': ['VideoLabeller'],
        'manifest': ['Job', 'read_manifest'],
        'ray_data': ['BatchLabeller'],
        'run': ['label_collection'],
        'work': ['Labeller', 'TooManyFailuresError'],
    },
)
