"""Convert official downloads to the layouts that the data sets read."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__, {'parts': ['PARTS', 'Part'], 'unpack': ['Limits', 'PrepareReport', 'prepare']}
)
