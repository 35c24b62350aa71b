"""Find settings of a config that nothing reads, and suggest what was meant."""

import functools
import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine import hooks, optim, runner
from mmengine.config import Config
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler
from mmengine.registry import Registry
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import DataLoader

from r2vos_mm import registry
from r2vos_mm.utils.cli import UsageError, did_you_mean
from r2vos_mm.utils.logging import warn
from r2vos_mm.utils.settings import children, walk

# Keys at the top of a config that are read, besides the arguments of the Runner.
_TOP = {
    'compile', 'custom_imports', 'env_variables', 'find_unused_parameters',
    'init_weight_for_test_or_val', 'model_wrapper_cfg', 'runner_type', 'strategy', 'sync_bn',
    'test_pipeline',
}  # fmt: skip
_DEFAULT_HOOKS = (
    'runtime_info', 'timer', 'logger', 'param_scheduler', 'checkpoint', 'sampler_seed',
    'exact_resume', 'finite_loss', 'resumed_settings', 'visualization',
)  # fmt: skip
_ALWAYS = {'type', '_scope_', '_delete_'}
# Keys that the Runner takes out of a config before it builds the part.
_TAKEN_BEFORE = {
    hooks.Hook: {'priority'},
    _ParamScheduler: {'convert_to_iter_based'},
    optim.OptimWrapper: {'optimizer', 'constructor', 'paramwise_cfg'},
    hooks.CheckpointHook: {'meta', 'filename'},
}
# The registry of the parts under a key, down to the next such key.
_REGISTRIES = {
    'model': registry.MODELS, 'init_cfg': registry.WEIGHT_INITIALIZERS,
    'model_wrapper_cfg': registry.MODEL_WRAPPERS, 'dataset': registry.DATASETS,
    'datasets': registry.DATASETS, 'pipeline': registry.TRANSFORMS,
    'transforms': registry.TRANSFORMS, 'sampler': registry.DATA_SAMPLERS,
    'batch_sampler': registry.DATA_SAMPLERS, 'collate_fn': registry.FUNCTIONS,
    'train_cfg': registry.LOOPS, 'val_cfg': registry.LOOPS, 'test_cfg': registry.LOOPS,
    'optim_wrapper': registry.OPTIM_WRAPPERS, 'optimizer': registry.OPTIMIZERS,
    'param_scheduler': registry.PARAM_SCHEDULERS, 'val_evaluator': registry.METRICS,
    'test_evaluator': registry.METRICS, 'default_hooks': registry.HOOKS,
    'custom_hooks': registry.HOOKS, 'log_processor': registry.LOG_PROCESSORS,
    'visualizer': registry.VISUALIZERS, 'vis_backends': registry.VISBACKENDS,
}  # fmt: skip
_DICTS = {
    'model', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'train_cfg', 'val_cfg',
    'test_cfg', 'optim_wrapper', 'default_hooks', 'env_cfg', 'randomness', 'auto_scale_lr',
}  # fmt: skip
# Parts that other libraries build by rules of their own.
_NOT_CHECKED = {'norm_cfg', 'act_cfg', 'conv_cfg', 'plugins', 'dist_cfg', 'metainfo'}
# Packages whose constructors pass ``**kwargs`` to those of their bases only.
_PASSING_ON = ('r2vos_mm', 'mmengine')


def names_of(function: Any) -> set[str]:
    """Return the names of the parameters of a function or class."""
    return set(inspect.signature(function).parameters) - {'self', 'args', 'kwargs'}


@functools.cache
def _tables() -> dict[str, Collection[str]]:
    """Return the keys that are read from dicts without a type, by the key of the dict."""
    return {
        'train_dataloader': names_of(DataLoader) | {'num_batch_per_epoch'},
        'val_dataloader': names_of(DataLoader) | {'num_batch_per_epoch'},
        'test_dataloader': names_of(DataLoader) | {'num_batch_per_epoch'},
        'auto_scale_lr': {'enable', 'base_batch_size'},
        'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
        'mp_cfg': {'mp_start_method', 'opencv_num_threads'},
        'randomness': names_of(runner.Runner.set_randomness),
        'clip_grad': names_of(nn.utils.clip_grad_norm_) | {'type', 'clip_value'},
        'paramwise_cfg': {
            'custom_keys', 'bias_lr_mult', 'bias_decay_mult', 'norm_decay_mult',
            'flat_decay_mult', 'dwconv_decay_mult', 'dcn_offset_lr_mult', 'bypass_duplicate',
        },
        'optim_wrapper': _arguments(optim.OptimWrapper)[0],
        'log_processor': names_of(runner.LogProcessor),
        'visualizer': names_of(Visualizer),
    }  # fmt: skip


def check_settings(cfg: Config, *, only: Collection[str] | None = None) -> None:
    """Raise for settings that nothing reads, and warn of variables that have no effect.

    Options are compared with the parameters of the class that a ``type`` names, before anything is
    built. Variables at the top of a Python config are meant for use in it; those that are used
    nowhere are warned about. ``only`` are the keys at the top to look at; None takes all.

    Raises:
        UsageError: names the path of each setting, with a suggestion.
    """
    found = [] if only else [*_ineffective(cfg), *_misnamed_hooks(cfg)]
    for key in sorted((_top_keys() if only is None else set(only)) & set(cfg)):
        found += _unread(cfg[key], (key,), None)
    if found:
        raise UsageError('; '.join(found[:5]) + ('; ...' if len(found) > 5 else ''))
    for name in _unused_variables(cfg) if only is None else ():
        warn(f'{cfg.filename}: the setting {name} has no effect{_meant(name, cfg)}')


def check_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Raise UsageError for ``--cfg-options`` whose first key is not read."""
    for key in options:
        top = key.partition('.')[0]
        if top in _top_keys():
            continue
        if top in cfg:
            raise UsageError(
                f'--cfg-options {key}: {top} is a variable of {cfg.filename}, whose value was used '
                f'when the file was read: set what it is used for{_meant(top, cfg)}'
            )
        raise UsageError(f'--cfg-options {key}: there is no setting {top}{_meant(top, cfg)}')


def check_custom_keys(custom_keys: Mapping[str, Any], parameters: Collection[str]) -> None:
    """Warn of keys of ``paramwise_cfg.custom_keys`` that are part of no parameter's name."""
    parts = {'.'.join(name.split('.')[:n]) for name in parameters for n in range(1, 5)}
    for key in custom_keys:
        if not any(key in name for name in parameters):
            warn(
                f'optim_wrapper.paramwise_cfg.custom_keys: no parameter has {key!r} in its name, '
                f'so it has no effect{did_you_mean(key, parts)}'
            )


def _ineffective(cfg: Config) -> Iterator[str]:
    """Yield settings of the wrong type, or with which nothing would be trained."""
    for key in _DICTS & set(cfg):
        if not isinstance(cfg[key], (dict, type(None))):
            yield f'{key}={cfg[key]!r}: must be a dict'
    if not isinstance(cfg.get('custom_hooks') or [], (list, tuple)):
        yield f'custom_hooks={cfg.custom_hooks}: must be a list'
    for key in ('load_from', 'work_dir', 'experiment_name', 'default_scope'):
        if not isinstance(cfg.get(key), (str, type(None))):
            yield f'{key}={cfg[key]!r}: must be text'
    for name in ('max_iters', 'max_epochs', 'val_interval'):
        loop = cfg.get('train_cfg')
        value = loop.get(name) if isinstance(loop, dict) else None
        if isinstance(value, (int, float)) and value < 1:
            yield f'train_cfg.{name}={value}: must be at least 1; to evaluate only use test.py'


def _unread(value: Any, path: tuple[str, ...], parts: Registry | None) -> Iterator[str]:
    """Yield a line for each key under ``value`` that nothing reads."""
    key = next(name for name in reversed(path) if not name.isdigit())
    if key in _NOT_CHECKED:
        return
    parts = _registry_of(key, path, parts)
    where = '.'.join(path)
    if isinstance(value, Mapping):
        kind = value.get('type')
        names, owner, is_open = None, where, False
        if kind is not None:
            part = _find(kind, parts)
            if part is not None:
                owner, (names, is_open) = part.__name__, _arguments(part)
            elif parts is not None and (path[0] != 'model' or len(path) == 1):
                hint = parts._suggestion(kind) if hasattr(parts, '_suggestion') else ''
                yield f'{where}.type: no {parts.name} is named {kind!r}{hint}'
        elif path[0] == 'default_hooks' and len(path) == 2:
            yield f'{where}: it has no type{did_you_mean(path[1], _DEFAULT_HOOKS)}'
        elif len(path) < 5 and path[0] != 'model':
            names = _untyped(key, value, path)
        for name in value if names is not None else ():
            hint = did_you_mean(name, names)
            if name not in names and (hint or not is_open):
                yield f'{where}.{name}: {owner} has no such option{hint}'
    for name, child in children(value):
        yield from _unread(child, (*path, name), parts)


def _registry_of(key: str, path: tuple[str, ...], parts: Registry | None) -> Registry | None:
    if path[0] == 'model' and key in ('train_cfg', 'test_cfg'):
        return None
    return registry.HOOKS if path[0] == 'default_hooks' else _REGISTRIES.get(key, parts)


def _untyped(key: str, value: Mapping, path: tuple[str, ...]) -> Collection[str] | None:
    if key == 'train_cfg':
        by_epoch = value.get('by_epoch', True)
        loop = runner.EpochBasedTrainLoop if by_epoch else runner.IterBasedTrainLoop
        return names_of(loop) | {'by_epoch'}
    if key in ('val_cfg', 'test_cfg'):
        return names_of(runner.ValLoop if key == 'val_cfg' else runner.TestLoop)
    if len(path) > 1 and path[-2] == 'custom_keys':
        return {'lr_mult', 'decay_mult'}
    return _tables().get(key)


@functools.cache
def _top_keys() -> set[str]:
    return names_of(runner.Runner.__init__) | _TOP


def _find(kind: Any, parts: Registry | None) -> Any:
    """Return what a type names in a registry, or among the utilities of models; else None."""
    if not isinstance(kind, str) or parts is None:
        return kind if isinstance(kind, type) else None
    try:
        return parts.get(kind) or registry.TASK_UTILS.get(kind)
    except (ImportError, AttributeError, ValueError):
        return None


@functools.cache
def _arguments(part: Any) -> tuple[set[str], bool]:
    """Return the options of a class or function, and whether it may take others as well."""
    names, is_open = set(_ALWAYS), False
    for base in part.__mro__ if isinstance(part, type) else (part,):
        function = base.__dict__.get('__init__') if isinstance(part, type) else part
        if function is None or base is object:
            continue
        parameters = inspect.signature(function).parameters.values()
        names |= {item.name for item in parameters} - {'self', 'args', 'kwargs'}
        is_open = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters)
        if not is_open:
            break
        is_open = not base.__module__.startswith(_PASSING_ON)
        if is_open:
            break
    for base, more in _TAKEN_BEFORE.items():
        if isinstance(part, type) and issubclass(part, base):
            names |= more
    return names, is_open


def _misnamed_hooks(cfg: Config) -> Iterator[str]:
    """Yield a line for each default hook whose name is nearly that of another: both would run."""
    for name in set(cfg.get('default_hooks') or ()) - set(_DEFAULT_HOOKS):
        hint = did_you_mean(name, _DEFAULT_HOOKS)
        if hint:
            yield f'default_hooks.{name}: there is no such default hook{hint}'


def _unused_variables(cfg: Config) -> Iterator[str]:
    """Yield keys at the top of the file, not of its bases, that are not used in it either."""
    if cfg.filename is None:
        return
    text = Path(cfg.filename).read_text(encoding='utf-8')
    is_python = str(cfg.filename).endswith('.py')
    for name in sorted(set(cfg) - _top_keys()):
        is_set = re.search(rf'^ {{0,4}}"{name}":|^{name}\s*[=:]', text, re.MULTILINE)
        is_used = is_python and re.search(rf'\b{name}\b(?!\s*=[^=])', text)
        if is_set and not is_used:
            yield name


def _meant(name: str, cfg: Config) -> str:
    """Suggest settings of a similar name at the top, or of the same name further down."""
    below = [path for path, _ in walk(cfg.to_dict()) if path and path[-1] == name]
    inside = ['.'.join(path) for path in below if path[0] in _top_keys()]
    return f'; did you mean {inside[0]}?' if inside else did_you_mean(name, _top_keys())
