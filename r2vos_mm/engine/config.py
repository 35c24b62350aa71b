"""Read config files, and apply ``--cfg-options`` to them."""

import itertools
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml
from mmengine.config import Config
from mmengine.fileio.handlers import file_handlers
from mmengine.fileio.handlers.yaml_handler import YamlHandler
from mmengine.utils import import_modules_from_strings

from r2vos_mm.registry import check_types
from r2vos_mm.utils.cli import UsageError, as_usage_error, one_line, user_message

from .model_index import config_file
from .unread_settings import check_options

# Packages whose modules and configs a file of data may name: what is installed is trusted.
_TRUSTED = ('r2vos_mm', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain')
_MAX_YAML_NODES = 1_000_000
_MAX_FILES = 200


def read_config(
    path: str | Path, options: Mapping[str, Any] | None = None, *, needs: Sequence[str] = ()
) -> Config:
    """Read a config file and override some of its settings.

    A Python config is a program, and reading it runs it. YAML and JSON configs are data, and
    reading them runs nothing: YAML tags, ``custom_imports`` of other packages than OpenMMLab's and
    this one, Python files in ``_base_`` (but ``package::path`` is accepted), and types that are not
    registered are refused.

    Args:
        path: ``*.py``, ``*.yaml``, ``*.yml`` or ``*.json``; or what :func:`config_file` takes.
        options: values by dotted keys, as of ``--cfg-options``.
        needs: keys at the top that must hold a dict, such as ``model``.

    Raises:
        UsageError: the file cannot be read as a config, lacks what it needs, or an option
            overrides nothing.
    """
    path = config_file(path)
    is_data = Path(path).suffix != '.py'
    try:
        with ExitStack() as stack:
            if is_data:
                handlers = dict.fromkeys(('yaml', 'yml'), _SafeYaml())
                stack.enter_context(patch.dict(file_handlers, handlers))
            bases = staticmethod(_checked_bases(Config._get_base_files))
            stack.enter_context(patch.object(Config, '_get_base_files', bases))
            config = Config.fromfile(path, import_custom_modules=not is_data)
            if is_data:
                _import_modules(config)
                check_types(config.to_dict())
    except Exception as error:  # a program can fail in any way
        raise UsageError(_reason(error, str(path))) from error
    check_options(config, options or {})
    with as_usage_error('--cfg-options'):
        config.merge_from_dict(dict(options or {}))
    for name in needs:
        if not isinstance(config.get(name), dict):
            raise UsageError(f'config {path} defines no {name}')
    return config


class _SafeYaml(YamlHandler):
    """Read YAML without tags, so that nothing is run, and with aliases of bounded size."""

    def load_from_fileobj(self, file: Any, **kwargs: Any) -> Any:
        content = yaml.safe_load(file)
        if _count_nodes(content, {}) > _MAX_YAML_NODES:
            raise UsageError('its aliases expand to more than a million nodes')
        return content


def _count_nodes(node: Any, known: dict[int, int]) -> int:
    """Return the number of nodes with all aliases expanded; each alias is computed once."""
    if id(node) not in known:
        children: Iterable = node.values() if isinstance(node, dict) else node
        nested = isinstance(node, (dict, list))
        known[id(node)] = 1 + sum(_count_nodes(c, known) for c in children) if nested else 1
    return known[id(node)]


def _checked_bases(base_files: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """Refuse circles, and Python files that a file of data inherits from."""
    count = itertools.count()

    def checked(filename: str) -> list[str]:
        if next(count) > _MAX_FILES:
            raise RecursionError
        bases = base_files(filename)
        for base in bases:
            if not filename.endswith('.py') and base.endswith('.py') and '::' not in base:
                raise UsageError(
                    f'_base_ {base} is a program, and this file is data: inherit from '
                    'r2vos_mm::..., or write it as .py'
                )
        return bases

    return checked


def _import_modules(config: Config) -> None:
    imports = config.get('custom_imports') or {}
    modules = imports.get('imports') or []
    for module in [modules] if isinstance(modules, str) else modules:
        if module.partition('.')[0] not in _TRUSTED:
            raise UsageError(
                f'custom_imports of {module} would run code, and this file is data: write it as .py'
            )
    if imports:
        import_modules_from_strings(**imports)


def _reason(error: Exception, path: str) -> str:
    """Return a line with the file, of the chain of bases, and line where reading stopped."""
    if isinstance(error, RecursionError):
        return f'config {path} cannot be read: its _base_ leads back to it, or it nests too deep'
    file, line = path, ''
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == '_file2dict' and not isinstance(error, FileNotFoundError):
            file = str(frame.f_locals.get('filename', file))
        elif frame.f_code.co_filename == file:
            line = f', line {number}'
    if isinstance(error, SyntaxError) and error.lineno:
        line = f', line {error.lineno}'
    reason = user_message(error) or f'{type(error).__name__}: {one_line(error)}'
    return f'config {file}{line} cannot be read: {reason}'
