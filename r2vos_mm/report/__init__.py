"""Write an HTML report that compares tested runs."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'compare': ['compare_runs'],
        'runs': ['Run', 'read_run'],
    },
)
