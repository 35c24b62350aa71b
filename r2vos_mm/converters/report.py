"""Report what became of every tensor in a conversion."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Conversion:
    """Converted weights; the fields together name every tensor that was given.

    Attributes:
        weights: Tensors under their new names.
        implied: Old names left out because the architecture implies their content.
        aliases: Old names left out because an equal tensor is kept under another name.
        unknown: Old names that have no counterpart in the other format.
    """

    weights: dict[str, Tensor]
    implied: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return lines for a log."""
        return '\n'.join(
            [
                f'{len(self.weights)} tensors under their new names',
                listing('left out, implied by the architecture', self.implied),
                listing('left out, stored twice', self.aliases),
                listing('without a counterpart in the other format', self.unknown),
            ]
        )


def listing(what: str, names: Iterable[str]) -> str:
    """Return an indented line that counts and lists names."""
    names = list(names)
    return f'  {what} ({len(names)}): {", ".join(names) or "none"}'
