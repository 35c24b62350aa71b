"""Import names of a package, and packages of its extras, when they are first used.

A package ``__init__`` that imports its modules makes every user of one light function pay for
torch. With :func:`attach` the modules are imported on first access.
"""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

ROOMS = (
    'datasets',
    'datasets.transforms',
    'models',
    'evaluation',
    'visualization',
    'engine',
    'apis',
)


def attach(
    package: str, modules: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package.

    Args:
        package: Name of the package, its ``__name__``.
        modules: Public names of each module; an absolute name begins with the top package.

    >>> __getattr__, __dir__, __all__ = attach(__name__, {'records': ['Clip', 'Pair']})
    """
    top = package.partition('.')[0] + '.'
    origins = {
        name: module if module.startswith(top) else f'{package}.{module}'
        for module, names in modules.items()
        for name in names
    }

    def get_attribute(name: str) -> Any:
        if name not in origins:
            raise AttributeError(f'module {package!r} has no attribute {name!r}')
        value = getattr(importlib.import_module(origins[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return get_attribute, lambda: sorted(origins), sorted(origins)


def register_all_modules(init_default_scope: bool = True) -> None:
    """Import all rooms, so that their classes are in the registries, as OpenMMLab tools expect.

    With ``init_default_scope``, ``r2vos_mm`` becomes the default scope of MMEngine's registries.
    """
    for room in ROOMS:
        load_all(f'r2vos_mm.{room}')
    if init_default_scope:
        from mmengine.registry import init_default_scope as set_default_scope

        set_default_scope('r2vos_mm')


def load_all(package: str) -> None:
    """Import the modules that provide the public names of ``package``."""
    module = importlib.import_module(package)
    for name in getattr(module, '__all__', ()):
        getattr(module, name)


def import_extra(name: str, extra: str) -> ModuleType:
    """Import a package that an extra of this one installs.

    Raises:
        MissingExtraError: it is not installed, or cannot be imported; the message has the
            command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        from .cli import MissingExtraError

        what = f"{name} is not installed: pip install 'r2vos_mm[{extra}]'"
        raise MissingExtraError(f'{what} ({error})') from error
