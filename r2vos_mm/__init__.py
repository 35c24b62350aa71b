"""Robust referring video object segmentation for MMEngine, MMDetection and MMSegmentation.

Importing this package imports neither torch nor MMEngine. It makes MMDetection and MMSegmentation
importable with ``mmcv-lite`` and configs inheritable as ``r2vos_mm::path``, see
:mod:`r2vos_mm.compat.import_hooks`.
"""

from .compat import import_hooks
from .version import __version__

import_hooks.install()

__all__ = ['__version__']
