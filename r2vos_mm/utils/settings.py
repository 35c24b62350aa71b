"""Walk through settings, read the text of a resolved config, and compare two configs."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class ChangedSetting(NamedTuple):
    """A setting that differs: its dotted name, and its values; None where it is not set."""

    name: str
    old: Any
    new: Any


def children(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values in a mapping, list or tuple by key, positions as text."""
    if isinstance(value, Mapping):
        yield from ((str(name), child) for name, child in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((str(index), child) for index, child in enumerate(value))


def walk(value: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each value of nested settings with the keys that lead to it, the outermost first."""
    yield path, value
    for name, child in children(value):
        yield from walk(child, *path, name)


def read_settings(text: str) -> dict[str, Any]:
    """Return the settings in ``Config.pretty_text``; what is not a literal stays text.

    Text that is not Python gives no settings.
    """
    try:
        assigned = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
        return {ast.unparse(node.targets[0]): _value(node.value) for node in assigned}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return {}


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == 'dict':
        named = {keyword.arg: _value(keyword.value) for keyword in node.keywords}
        return {**(_value(node.args[0]) if node.args else {}), **named}
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {str(_value(key)): _value(value) for key, value in zip(node.keys, node.values)}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def jfr_settings(evaluator: Any) -> list[dict[str, Any]]:
    """Return the settings of each ``JFRMetric`` in an evaluator of a config, such as the test's."""
    metrics = evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]
    return [metric for metric in metrics if metric and 'JFRMetric' in str(metric.get('type'))]


def changed_settings(old: Any, new: Any, name: str = '') -> list[ChangedSetting]:
    """Return the settings that differ, in the order of their names."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = (dict(enumerate(items)) for items in (old, new))
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return [] if old == new else [ChangedSetting(name.removesuffix('.'), old, new)]
    return [
        change
        for key in sorted({**old, **new}, key=str)
        for change in changed_settings(old.get(key), new.get(key), f'{name}{key}.')
    ]
