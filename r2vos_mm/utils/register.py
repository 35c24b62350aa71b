"""Register every component of the package, as OpenMMLab tools expect."""

from .lazy import load_all

ROOMS = ('datasets', 'datasets.transforms', 'models', 'evaluation', 'visualization', 'engine')


def register_all_modules(init_default_scope: bool = True) -> None:
    """Import all rooms, so that their classes are in the registries.

    Args:
        init_default_scope: Also make ``r2vos_mm`` the default scope of MMEngine's registries.
    """
    for room in ROOMS:
        load_all(f'r2vos_mm.{room}')
    if init_default_scope:
        from mmengine.registry import init_default_scope as set_default_scope

        set_default_scope('r2vos_mm')
