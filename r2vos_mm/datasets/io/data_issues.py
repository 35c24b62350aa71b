"""Collects what is wrong with the files of a dataset, to say it once."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from mmengine.logging import print_log


@dataclass(frozen=True)
class Problem:
    """What is wrong, at which video (or file), what is done about it.

    ``is_known``: the owners' files have it, so a copy with it is complete.
    """

    where: str
    what: str
    consequence: str
    is_known: bool = False


_collected: ContextVar[list[Problem] | None] = ContextVar('collected', default=None)


@contextmanager
def collected_problems() -> Iterator[list[Problem]]:
    """Inside, reported problems are not logged but added to the list that is given here."""
    token = _collected.set([])
    try:
        yield _collected.get()
    finally:
        _collected.reset(token)


@dataclass
class ProblemList:
    """The problems of one annotation file, logged as one record with one row each.

    Attributes:
        source: the file or folder that was read.
        rows: what was found.
        max_rows: rows shown in the record; all remain in ``rows``.
    """

    source: str
    rows: list[Problem] = field(default_factory=list)
    max_rows: int = 50

    def add(self, where: str, what: str, consequence: str, *, is_known: bool = False) -> None:
        """Notes one problem."""
        self.rows.append(Problem(where, what, consequence, is_known))

    def table(self) -> str:
        """The problems, one aligned row each."""
        shown = self.rows[: self.max_rows]
        widths = [max(len(getattr(row, name)) for row in shown) for name in ('where', 'what')]
        lines = [
            f'  {row.where:<{widths[0]}}  {row.what:<{widths[1]}}  -> {row.consequence}'
            for row in shown
        ]
        if len(self.rows) > len(shown):
            lines.append(f'  ... and {len(self.rows) - len(shown)} more')
        return '\n'.join(lines)

    def report(self) -> None:
        """Logs the table as one warning; says nothing if there is nothing to say.

        Inside :func:`collected_problems` it is collected instead.
        """
        collected = _collected.get()
        if collected is not None:
            collected += self.rows
        elif self.rows:
            print_log(
                f'{len(self.rows)} problem(s) in {self.source}; what can be used is used:\n'
                f'{self.table()}',
                logger='current',
                level=logging.WARNING,
            )


class DataFileError(RuntimeError):
    """One file of a dataset cannot be used; the message names it and says what to do."""
