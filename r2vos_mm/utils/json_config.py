"""Write a config as JSON and read it back without loss: JSON has no tuples."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .cli import UsageError

_PLAIN = (str, bool, int, type(None))


class JsonConfig(NamedTuple):
    """Content of a JSON file, and the dotted paths of the lists that were tuples."""

    content: dict[str, Any]
    tuples: list[str]


def to_json(config: Mapping[str, Any]) -> JsonConfig:
    """Return a copy of a config in the types of JSON.

    Raises:
        UsageError: JSON cannot represent a value; the message has its path.

    >>> to_json(dict(size=(64, 64)))
    JsonConfig(content={'size': [64, 64]}, tuples=['size'])
    """
    tuples: list[str] = []

    def plain(value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, _PLAIN) or (isinstance(value, float) and math.isfinite(value)):
            return value
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {key: plain(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            if isinstance(value, tuple):
                tuples.append('.'.join(path))
            return [plain(item, (*path, str(i))) for i, item in enumerate(value)]
        raise UsageError(
            f'config.{".".join(path)} is {value!r}, which JSON cannot hold: use numbers, text, '
            'lists, dicts with text as keys, and names of types'
        )

    return JsonConfig(plain(config, ()), tuples)


def restore_tuples(content: Mapping[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """Return a copy of a config whose lists at some dotted paths are tuples; inverts to_json."""
    wanted = set(paths)

    def restored(value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, Mapping):
            return {key: restored(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            items = [restored(item, (*path, str(i))) for i, item in enumerate(value)]
            return tuple(items) if '.'.join(path) in wanted else items
        return value

    return restored(content, ())
