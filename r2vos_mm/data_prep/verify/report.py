"""What a check found."""

from collections import defaultdict
from dataclasses import dataclass, field

from r2vos_mm.utils.data_issues import ProblemList

COLUMNS = ('ok', 'missing', 'broken', 'unused')


@dataclass
class Tally:
    """How many of one kind of thing are as they should be, and how many are not."""

    ok: int = 0
    missing: int = 0
    broken: int = 0
    unused: int = 0


@dataclass
class CheckReport:
    """What a check found.

    Attributes:
        tallies: {kind of thing, e.g. 'train frames': tally}.
        problems: one row for each thing that is not as it should be.
        opened, openable: frames whose files were opened, of how many there are.
    """

    problems: ProblemList
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    opened: int = 0
    openable: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether nothing is missing or broken."""
        return not any(tally.missing or tally.broken for tally in self.tallies.values())

    def table(self) -> str:
        """The tallies, one row each."""
        width = max(map(len, self.tallies), default=0)
        lines = [' ' * width + ''.join(f'{name:>9}' for name in COLUMNS)]
        lines += [
            f'{what:<{width}}' + ''.join(f'{getattr(tally, name):>9}' for name in COLUMNS)
            for what, tally in self.tallies.items()
        ]
        return '\n'.join(lines)
