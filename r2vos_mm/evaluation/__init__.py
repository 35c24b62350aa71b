"""Metrics, as functions on arrays and as a metric for the runner.

The public names of :mod:`.functional` are listed there and are available from here, too.
"""

from . import functional
from .functional import *  # noqa: F403
from .metrics import JFRMetric

__all__ = ['JFRMetric', *functional.__all__]
