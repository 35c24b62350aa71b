"""None"""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'jfr_metric': ['JFRMetric'],
    },
)
