"""Count what is complete, missing, broken and unused in a data set."""

from collections import defaultdict
from dataclasses import astuple, dataclass, field

from r2vos_mm.utils.data_issues import ProblemList


@dataclass
class Tally:
    """Numbers of things of one kind by their state."""

    ok: int = 0
    missing: int = 0
    broken: int = 0
    unused: int = 0

    def spoil(self) -> None:
        """Move one thing from ok to broken."""
        self.ok -= 1
        self.broken += 1


@dataclass
class CheckReport:
    """Result of a check.

    Attributes:
        problems: one row for each thing that is not as it should be.
        tallies: {kind of thing, e.g. 'train frames': tally}.
        opened, openable: number of frames that were opened, and of all frames.
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
        """Return the tallies, one row each."""
        width = max(map(len, self.tallies), default=0)
        rows = {'': vars(Tally())} | {what: astuple(tally) for what, tally in self.tallies.items()}
        return '\n'.join(
            f'{what:<{width}}' + ''.join(f'{value:>9}' for value in row)
            for what, row in rows.items()
        )
