"""Read configs that a test wrote, without running them, and find what differs between them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from r2vos_mm.utils.files import read_text
from r2vos_mm.utils.settings import read_settings

# Where a run writes to: these settings change no result.
OUTPUT_KEYS = ('work_dir', 'csv_path', 'json_path')

MISSING = 'not set'


class DifferentSetting(NamedTuple):
    """One line of the comparison of several configs.

    Attributes:
        depth: number of keys above.
        key: last key, or the position in a list, as ``[2]``.
        values: one value per config, :data:`MISSING` where it has none; empty for the head of
            the settings below.
        path: all keys, joined by dots.
    """

    depth: int
    key: str
    values: tuple[Any, ...]
    path: str


def read_dumped_config(path: Path) -> dict[str, Any]:
    """Return the settings of a config as MMEngine dumps it; nothing in the file is run.

    Raises:
        FileNotFoundError, ValueError: the file does not exist, or has no settings.
    """
    settings = read_settings(read_text(path))
    if not settings:
        raise ValueError(f'{path} is not a config that a run has written')
    return settings


def config_sha256(config: Mapping[str, Any]) -> str:
    """Return a hash of the settings, in any order, without those of :data:`OUTPUT_KEYS`."""
    return hashlib.sha256(
        json.dumps(_without_outputs(config), sort_keys=True, default=str).encode()
    ).hexdigest()


def _without_outputs(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {str(key): item for key, item in value.items() if key not in OUTPUT_KEYS}
        return {key: _without_outputs(item) for key, item in kept.items()}
    return [_without_outputs(item) for item in value] if isinstance(value, list) else value


def config_difference(configs: Sequence[Any]) -> list[DifferentSetting]:
    """Return the settings that are not the same in all configs, below the keys that lead to them.

    Settings of :data:`OUTPUT_KEYS` are ignored.
    """
    return list(_differences([_without_outputs(config) for config in configs], 0, ''))


def _differences(values: Sequence[Any], depth: int, path: str) -> Iterator[DifferentSetting]:
    parts = _parts(values)
    for key in dict.fromkeys(key for part in parts for key in part):
        below = [part.get(key, MISSING) for part in parts]
        if all(item == below[0] for item in below[1:]):
            continue
        where = f'{path}{key}' if key.startswith('[') else f'{path}.{key}'.lstrip('.')
        if _parts(below):
            yield DifferentSetting(depth, key, (), where)
            yield from _differences(below, depth + 1, where)
        else:
            yield DifferentSetting(depth, key, tuple(below), where)


def _parts(values: Sequence[Any]) -> list[Mapping[str, Any]]:
    """Return values as mappings if all are, or all are lists of mappings of one length."""
    if all(isinstance(value, Mapping) for value in values):
        return list(values)
    lists = all(isinstance(value, list) and value for value in values)
    items = [item for value in values for item in value] if lists else []
    is_even = bool(items) and len({len(value) for value in values}) == 1
    if is_even and all(isinstance(item, Mapping) for item in items):
        return [{f'[{i}]': item for i, item in enumerate(value)} for value in values]
    return []
