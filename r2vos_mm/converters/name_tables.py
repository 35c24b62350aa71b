"""Tables of names that are read in both directions."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

# What a field of a template stands for.
_FIELDS = dict(i=r'\d+', j=r'\d+', leaf='weight|bias', rest='.+')


@dataclass(frozen=True)
class Rule:
    """One name there, one or several here.

    Templates hold fields: ``{i}`` and ``{j}`` are numbers, ``{leaf}`` is weight or bias, ``{rest}``
    is anything. With several names here the tensor there is a stack of equal parts along its first
    axis, as the fused projections of an attention are.

    Attributes:
        there: template of the foreign name.
        here: templates of the names in this package, with the same fields.
    """

    there: str
    here: tuple[str, ...]

    @cached_property
    def there_pattern(self) -> re.Pattern:
        """What names there match, fields as groups."""
        return _compile(self.there)

    @cached_property
    def here_patterns(self) -> tuple[re.Pattern, ...]:
        """What names here match, one pattern per part."""
        return tuple(_compile(template) for template in self.here)


@dataclass
class Renamed:
    """Tensors under their new names, and the names that no rule knows.

    Attributes:
        tensors: by new name.
        unknown: old names without a rule.
        broken: what is wrong with tensors that have a rule: parts that are missing or unequal.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class NameTable:
    """Rules in the order in which they are tried; the first that matches counts.

    Args:
        rules: pairs of a foreign template and one or several templates of this package.
    """

    def __init__(self, rules: Iterable[tuple[str, str | tuple[str, ...]]]) -> None:
        self.rules = [
            Rule(there, (here,) if isinstance(here, str) else here) for there, here in rules
        ]

    def to_here(self, tensors: dict[str, Tensor]) -> Renamed:
        """Rename foreign tensors, splitting stacked ones."""
        renamed = Renamed()
        for name, tensor in tensors.items():
            rule, values = self._find(name)
            if rule is None:
                renamed.unknown.append(name)
            elif tensor.ndim == 0 or len(tensor) % len(rule.here):
                renamed.broken.append(
                    f'{name} has shape {tuple(tensor.shape)}, which is no stack of '
                    f'{len(rule.here)} parts'
                )
            else:
                parts = tensor.chunk(len(rule.here)) if len(rule.here) > 1 else (tensor,)
                for template, part in zip(rule.here, parts, strict=True):
                    renamed.tensors[template.format(**values)] = part
        return renamed

    def to_there(self, tensors: dict[str, Tensor]) -> Renamed:
        """Rename tensors of this package, stacking what is stacked there."""
        renamed = Renamed()
        stacks: dict[str, dict[int, Tensor]] = defaultdict(dict)
        sizes: dict[str, int] = {}
        for name, tensor in tensors.items():
            for rule in self.rules:
                found = [
                    (k, m)
                    for k, pattern in enumerate(rule.here_patterns)
                    if (m := pattern.fullmatch(name))
                ]
                if found:
                    position, match = found[0]
                    there = rule.there.format(**match.groupdict())
                    stacks[there][position] = tensor
                    sizes[there] = len(rule.here)
                    break
            else:
                renamed.unknown.append(name)
        for there, parts in stacks.items():
            if len(parts) < sizes[there]:
                renamed.broken.append(f'{there} needs {sizes[there]} parts, {len(parts)} are there')
            elif sizes[there] == 1:
                renamed.tensors[there] = parts[0]
            else:
                renamed.tensors[there] = torch.cat([parts[k] for k in range(sizes[there])])
        return renamed

    def _find(self, name: str) -> tuple[Rule | None, dict[str, str]]:
        for rule in self.rules:
            match = rule.there_pattern.fullmatch(name)
            if match:
                return rule, match.groupdict()
        return None, {}


def _compile(template: str) -> re.Pattern:
    parts = re.split(r'\{(\w+)\}', template)
    pattern = ''.join(
        f'(?P<{part}>{_FIELDS[part]})' if index % 2 else re.escape(part)
        for index, part in enumerate(parts)
    )
    return re.compile(pattern)
