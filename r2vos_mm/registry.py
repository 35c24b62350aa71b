"""Registries of scope ``r2vos_mm``, children of MMEngine's.

A config with ``default_scope = 'r2vos_mm'`` finds the parts of this package by their bare names and
those of other packages by ``mmdet.ResNet``; a config of another package finds ours by
``r2vos_mm.GroundingNeck``. The first look-up imports the package that registers the parts, so no
config needs ``custom_imports``.
"""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry

from .utils.cli import UsageError
from .utils.lazy import load_all
from .utils.settings import walk

_SCOPE = 'r2vos_mm'


class _PackageRegistry(Registry):
    """Registry filled by one package of ours, whose names are imported lazily."""

    def build(self, cfg: dict, *args: Any, **kwargs: Any) -> Any:
        """Build a part in this package's scope, also from configs with another default scope.

        Raises:
            KeyError: the name is not registered; suggests the package that has it.
        """
        kind = cfg.get('type') if isinstance(cfg, dict) else None
        if isinstance(kind, str) and '_scope_' not in cfg:
            if self.get(kind) is not None:
                cfg = cfg.copy()
                cfg['_scope_'] = _SCOPE
            elif not self._is_in_default_scope(kind):
                raise KeyError(f'{kind!r} is not a registered {self.name}{self._suggestion(kind)}')
        return super().build(cfg, *args, **kwargs)

    def _is_in_default_scope(self, kind: str) -> bool:
        with self.switch_scope_and_registry(None) as registry:
            return registry.get(kind) is not None

    def _suggestion(self, kind: str) -> str:
        """Parts of the same name in other packages, or of a similar name in this one."""
        others = self._get_root_registry().children
        names = sorted(f'{scope}.{kind}' for scope in others if kind in others[scope].module_dict)
        names = names or difflib.get_close_matches(kind, self.module_dict, n=3)
        return f'; did you mean {" or ".join(map(repr, names))}?' if names else ''

    def import_from_location(self) -> None:
        """Import whatever provides the public names of the package."""
        if not self._imported:
            self._imported = True
            for location in self._locations:
                load_all(location)


def _child(parent: Registry, *packages: str) -> Registry:
    """Return a child of MMEngine's ``parent`` that is filled by ``packages``."""
    locations = [f'{_SCOPE}.{package}' for package in packages]
    return _PackageRegistry(parent.name, parent=parent, scope=_SCOPE, locations=locations)


MODELS = _child(mmengine_registry.MODELS, 'models')
MODEL_WRAPPERS = _child(mmengine_registry.MODEL_WRAPPERS, 'engine')
WEIGHT_INITIALIZERS = _child(mmengine_registry.WEIGHT_INITIALIZERS, 'models')
TASK_UTILS = _child(mmengine_registry.TASK_UTILS, 'models', 'datasets')

DATASETS = _child(mmengine_registry.DATASETS, 'datasets')
DATA_SAMPLERS = _child(mmengine_registry.DATA_SAMPLERS, 'datasets')
TRANSFORMS = _child(mmengine_registry.TRANSFORMS, 'datasets.transforms')

METRICS = _child(mmengine_registry.METRICS, 'evaluation')
EVALUATOR = _child(mmengine_registry.EVALUATOR, 'evaluation')

HOOKS = _child(mmengine_registry.HOOKS, 'engine')
LOOPS = _child(mmengine_registry.LOOPS, 'engine')
RUNNERS = _child(mmengine_registry.RUNNERS, 'engine')
RUNNER_CONSTRUCTORS = _child(mmengine_registry.RUNNER_CONSTRUCTORS, 'engine')
STRATEGIES = _child(mmengine_registry.STRATEGIES, 'engine')
FUNCTIONS = _child(mmengine_registry.FUNCTIONS, 'engine')
INFERENCERS = _child(mmengine_registry.INFERENCERS, 'apis')
OPTIMIZERS = _child(mmengine_registry.OPTIMIZERS, 'engine')
OPTIM_WRAPPERS = _child(mmengine_registry.OPTIM_WRAPPERS, 'engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(mmengine_registry.OPTIM_WRAPPER_CONSTRUCTORS, 'engine')
PARAM_SCHEDULERS = _child(mmengine_registry.PARAM_SCHEDULERS, 'engine')
LOG_PROCESSORS = _child(mmengine_registry.LOG_PROCESSORS, 'engine')

VISUALIZERS = _child(mmengine_registry.VISUALIZERS, 'visualization')
VISBACKENDS = _child(mmengine_registry.VISBACKENDS, 'visualization')

_TRUSTED_SCOPES = ('r2vos_mm', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain')


def check_types(config: Mapping[str, Any]) -> None:
    """Raise UsageError if a config that is data names a type that is not registered.

    MMEngine imports and calls whatever the path ``module.function`` names.
    """
    registries = {item for item in globals().values() if isinstance(item, Registry)}
    for path, kind in _types(config):
        scope, _, name = kind.rpartition('.')
        if scope and scope not in _TRUSTED_SCOPES:
            raise UsageError(f'{path}: {kind} is code, and this file is data: write it as .py')
        for part in registries if scope else ():
            family = (part.root, *part.root.children.values())
            if (item := part.get(kind)) and not any(
                item is known for member in family for known in member.module_dict.values()
            ):
                raise UsageError(f'{path}: {kind} is not a registered {part.name}')


def _types(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path, value in walk(config):
        if path and path[-1] in ('type', 'constructor', 'runner_type') and isinstance(value, str):
            yield '.'.join(path), value
