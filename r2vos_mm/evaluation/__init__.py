"""Metrics, as functions on arrays and as a metric for the Runner.

All public names of :mod:`.functional` are also available here.
"""

from r2vos_mm.utils import lazy

from . import functional

__getattr__, __dir__, __all__ = lazy.attach(
    __name__, {'jfr_metric': ['JFRMetric'], 'functional': functional.__all__}
)
