"""Metrics, as functions on arrays and as a metric for the Runner.

All public names of :mod:`.functional` are also available here.
"""

from r2vos_mm.utils import lazy

from . import functional
from .functional import *  # noqa: F403

__getattr__, __dir__, _ = lazy.attach(__name__, {'metrics': ['JFRMetric']})

__all__ = ['JFRMetric', *functional.__all__]  # noqa: F405
