"""Collect problems with the files of a dataset and report them together."""

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from .cli import UserError
from .logging import warn

NUM_SHOWN = 5


class DataFileError(UserError, RuntimeError):
    """A file of a dataset cannot be used; the message names it and the remedy."""


@dataclass(frozen=True)
class Problem:
    """Something that could not be used.

    Attributes:
        where: video, pair or file.
        what: what is wrong.
        consequence: what is done about it.
        is_known: whether the owners' files have it, so that a copy with it is complete.
    """

    where: str
    what: str
    consequence: str
    is_known: bool = False

    def __str__(self) -> str:
        return f'{self.where}: {self.what} -> {self.consequence}'


def shown(names: Collection[Any], count: int = NUM_SHOWN, separator: str = ', ') -> str:
    """Return the first names and how many more there are.

    >>> shown(['a', 'b', 'c'], 2)
    'a, b and 1 more'
    """
    more = f' and {len(names) - count} more' if len(names) > count else ''
    return separator.join(map(str, list(names)[:count])) + more


_collected: ContextVar[list[Problem] | None] = ContextVar('collected', default=None)


@contextmanager
def collected_problems() -> Iterator[list[Problem]]:
    """Add problems reported within the block to the given list instead of logging them."""
    token = _collected.set([])
    try:
        yield _collected.get()
    finally:
        _collected.reset(token)


@dataclass
class ProblemList:
    """Problems of one file or folder, logged together as a table.

    Attributes:
        source: the file or folder that was read.
        rows: the problems.
        max_rows: number of problems that the table shows.
    """

    source: str
    rows: list[Problem] = field(default_factory=list)
    max_rows: int = 50

    def add(self, where: str, what: str, consequence: str, *, is_known: bool = False) -> None:
        """Add one problem."""
        self.rows.append(Problem(where, what, consequence, is_known))

    def table(self) -> str:
        """Return the problems as aligned rows of text."""
        shown = self.rows[: self.max_rows]
        widths = [
            max((len(getattr(row, name)) for row in shown), default=0) for name in ('where', 'what')
        ]
        lines = [
            f'  {row.where:<{widths[0]}}  {row.what:<{widths[1]}}  -> {row.consequence}'
            for row in shown
        ]
        if len(self.rows) > len(shown):
            lines.append(f'  ... and {len(self.rows) - len(shown)} more')
        return '\n'.join(lines)

    def report(self) -> None:
        """Log the table as one warning if there are problems; see :func:`collected_problems`."""
        collected = _collected.get()
        if collected is not None:
            collected += self.rows
        elif self.rows:
            warn(self._text())

    def show(self) -> None:
        """Print the table on stderr if there are problems."""
        if self.rows:
            print(self._text(), file=sys.stderr)

    def _text(self) -> str:
        return f'{len(self.rows)} problem(s) in {self.source}; the rest is used:\n{self.table()}'
