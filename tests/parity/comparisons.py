"""Compare measured with expected values, quantity by quantity."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Comparison:
    """One quantity of one fixture.

    Attributes:
        name: of the quantity.
        absolute: largest absolute error.
        relative: largest error relative to the expected values: elementwise for scalars and
            norms, relative to the largest expected magnitude for maps.
        tolerance: of the error that ``by`` names.
        by: ``absolute`` or ``relative``.
        detail: where the largest error is, if the quantity has many names.
    """

    name: str
    absolute: float
    relative: float
    tolerance: float
    by: str
    detail: str = ''

    @property
    def holds(self) -> bool:
        """Whether the error is within the tolerance; never with NaN."""
        return getattr(self, self.by) <= self.tolerance

    def __str__(self) -> str:
        verdict = 'ok  ' if self.holds else 'FAIL'
        return (
            f'  {verdict} {self.name:<28} abs {self.absolute:.1e}  rel {self.relative:.1e}'
            f'  ({self.by} <= {self.tolerance:g}) {self.detail}'
        ).rstrip()


@dataclass
class Report:
    """All comparisons of a fixture."""

    fixture: str
    rows: list[Comparison] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether there is something to compare and all of it is within its tolerance."""
        return bool(self.rows) and all(row.holds for row in self.rows)

    def __str__(self) -> str:
        return '\n'.join((self.fixture, *map(str, self.rows)))

    def maps(self, name: str, found: Tensor, expected: Tensor, *, tolerance: float) -> None:
        """Tensors, by their absolute error."""
        if found.shape != expected.shape:
            self._fail(name, f'shape {tuple(found.shape)}, expected {tuple(expected.shape)}')
            return
        error = (found.detach() - expected).abs().max().item()
        scale = expected.abs().max().item()
        self.rows.append(
            Comparison(
                name, error, error / scale if scale else float(error > 0), tolerance, 'absolute'
            )
        )

    def numbers(
        self, name: str, found: dict[str, float], expected: dict[str, float], *, tolerance: float
    ) -> None:
        """Named numbers, by their errors relative to the expected number or 1e-6."""
        if found.keys() != expected.keys():
            self._fail(name, f'on one side only: {sorted(found.keys() ^ expected.keys())[:6]}')
            return
        ours, theirs = (
            torch.tensor([values[key] for key in expected], dtype=torch.float64)
            for values in (found, expected)
        )
        errors = (ours - theirs).abs()
        relative = errors / theirs.abs().clamp(min=1e-6)
        worst = int(relative.nan_to_num(torch.inf).argmax())
        self.rows.append(
            Comparison(
                name,
                errors.max().item(),
                relative[worst].item(),
                tolerance,
                'relative',
                list(expected)[worst] if len(expected) > 1 else '',
            )
        )

    def equal(self, name: str, found: list, expected: list) -> None:
        """Integers, exactly."""
        if len(found) != len(expected) or not expected:
            self._fail(name, f'{len(found)} numbers, expected {len(expected)}')
            return
        errors = [abs(a - b) for a, b in zip(found, expected)]
        self.rows.append(Comparison(name, max(errors), float(any(errors)), 0, 'absolute'))

    def _fail(self, name: str, detail: str) -> None:
        self.rows.append(Comparison(name, math.inf, math.inf, 0, 'absolute', detail))
