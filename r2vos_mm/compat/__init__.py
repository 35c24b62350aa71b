"""Everything that copes with versions of the ecosystem, and nothing else.

Each module states the version trouble it removes. :func:`install` runs when ``r2vos_mm`` is
imported.
"""

from r2vos_mm.utils.log_filters import keep_quiet

from .checkpoint import install_loaders
from .mmcv_ops import install_placeholder

__all__ = ['install']


def install() -> None:
    """Make the ecosystem importable, safe to read from and quiet; a second call changes nothing."""
    install_placeholder()
    install_loaders()
    keep_quiet()
