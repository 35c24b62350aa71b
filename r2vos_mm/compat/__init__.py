"""Everything that copes with versions of the ecosystem, and nothing else.

Each module states the version trouble it removes. :func:`install` runs when ``r2vos_mm`` is
imported.
"""

from r2vos_mm.compat.checkpoint import install_loaders
from r2vos_mm.compat.mmcv_ops import install_placeholder
from r2vos_mm.compat.noise import keep_quiet

__all__ = ['install']


def install() -> None:
    """Make the ecosystem importable, safe to read from and quiet; a second call changes nothing."""
    install_placeholder()
    install_loaders()
    keep_quiet()
