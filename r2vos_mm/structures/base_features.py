"""The base of the model's features: named tensors whose rows are selected and joined together."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar('T', bound='Features')


@dataclasses.dataclass
class Features:
    """A dataclass of tensors with a common first axis, such as the pairs of a batch.

    Fields are tensors, other features, lists of tensors (one per level), lists of features (one
    per row), flags or None; fields of other types belong to all rows and are passed on unchanged.

    Examples:
        >>> from r2vos_mm.structures import CycleOutput
        >>> cycle = CycleOutput(torch.zeros(3, 8), torch.tensor([0.5, -1.0, 2.0]))
        >>> len(cycle)
        3
        >>> cycle.select(cycle.misalignment_logit > 0).misalignment_logit
        tensor([0.5000, 2.0000])
        >>> len(CycleOutput.cat([cycle, cycle]))
        6
    """

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(x for x in self._values() if isinstance(x, (Tensor, Features))))

    def select(self: T, index: Tensor) -> T:
        """Return the rows given by a bool mask or by positions."""
        return self._map(lambda value: _select(value, index))

    def to(self: T, device: torch.device | str) -> T:
        """Return the same features on another device."""
        return self._map(lambda value: _to(value, device))

    @classmethod
    def cat(cls: type[T], parts: Sequence[T], *, dim: int = 0) -> T:
        """Concatenate all parts along ``dim``; flags are set if any part's is."""
        columns = zip(*(part._values() for part in parts), strict=True)
        return cls(*(_cat(column, dim) for column in columns))

    def _values(self) -> list[Any]:
        return [getattr(self, field.name) for field in dataclasses.fields(self)]

    def _map(self: T, function: Callable[[Any], Any]) -> T:
        return type(self)(*map(function, self._values()))


def _select(value: Any, index: Tensor) -> Any:
    if isinstance(value, Tensor):
        return value[index]
    if isinstance(value, Features):
        return value.select(index)
    if _is_list_of(value, Tensor):
        return [level[index] for level in value]
    if _is_list_of(value, Features):
        rows = torch.arange(len(value), device=index.device)[index]
        return [value[row] for row in rows.tolist()]
    return value


def _to(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, (Tensor, Features)):
        return value.to(device)
    if _is_list_of(value, (Tensor, Features)):
        return [item.to(device) for item in value]
    return value


def _cat(values: tuple[Any, ...], dim: int) -> Any:
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(values, dim)
    if isinstance(first, Features):
        return type(first).cat(values, dim=dim)
    if _is_list_of(first, Tensor):
        return [torch.cat(levels, dim) for levels in zip(*values, strict=True)]
    if _is_list_of(first, Features):
        return [row for rows in values for row in rows]
    return any(values) if isinstance(first, bool) else first


def _is_list_of(value: Any, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], kinds)
