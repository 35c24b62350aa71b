"""Check whether a data set is complete and sound."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'checks': ['check_set'],
        'known_sets': ['KNOWN_SETS', 'KnownSet'],
        'report': ['CheckReport', 'Tally'],
    },
)
