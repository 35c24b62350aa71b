"""Compute metrics: functions on arrays (all of :mod:`.functional`) and a metric for the Runner."""

from r2vos_mm.utils import lazy

from . import functional

__getattr__, __dir__, __all__ = lazy.attach(
    __name__, {'jfr_metric': ['JFRMetric'], 'functional': functional.__all__}
)
