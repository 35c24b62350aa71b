"""Make the ecosystem importable, without importing any of it.

Two import hooks, which act when the module they wait for is imported:

* ``mmcv._ext``, the compiled operators that ``mmcv-lite`` does not have, is replaced by a
  placeholder (:mod:`.mmcv_ops`). The hook comes last and is only used if no other finder finds the
  module, so nothing changes where MMCV has its operators.
* ``mmengine.config.utils`` lists the packages whose configs can be inherited as ``name::path`` in
  ``MODULE2PACKAGE``; r2vos_mm is added.
"""

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

PACKAGE = 'r2vos_mm'
# A module of the package, because MMEngine then looks in the folder where Python finds it. Given
# the name of the package, it looks beside the metadata, where an editable install has no configs.
_MODULE_BESIDE_CONFIGS = 'r2vos_mm.version'
EXTENSION = 'mmcv._ext'
_CONFIG_UTILS = 'mmengine.config.utils'


class _PlaceholderFinder(MetaPathFinder, Loader):
    """Find ``mmcv._ext`` if no finder before this one does."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == EXTENSION else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        from .mmcv_ops import PlaceholderExtension

        return PlaceholderExtension(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        from .mmcv_ops import use_pytorch_operators

        use_pytorch_operators()


class _ConfigUtilsFinder(MetaPathFinder):
    """Find ``mmengine.config.utils`` once, and add this package to its list after the import."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _CONFIG_UTILS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                module.MODULE2PACKAGE[PACKAGE] = _MODULE_BESIDE_CONFIGS

            spec.loader.exec_module = exec_module
        return spec


def install() -> None:
    """Install both hooks; a second call changes nothing."""
    if not any(isinstance(finder, _PlaceholderFinder) for finder in sys.meta_path):
        sys.meta_path.append(_PlaceholderFinder())
    if _CONFIG_UTILS in sys.modules:
        sys.modules[_CONFIG_UTILS].MODULE2PACKAGE[PACKAGE] = _MODULE_BESIDE_CONFIGS
    elif not any(isinstance(finder, _ConfigUtilsFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _ConfigUtilsFinder())
