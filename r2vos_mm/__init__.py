"""r2vos_mm: robust referring video object segmentation for MMEngine.

Importing the package first makes the ecosystem importable (see :mod:`r2vos_mm.compat`): MMDetection
and MMSegmentation import compiled operators of MMCV at import time, which ``mmcv-lite`` has not.
"""

from r2vos_mm import compat
from r2vos_mm.version import __version__

compat.install()

__all__ = ['__version__']
