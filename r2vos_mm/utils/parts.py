"""Divide items into parts that separate jobs work on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

Item = TypeVar('Item')


class Part(NamedTuple):
    """Part ``index``, counted from 1, of ``count``; written ``2/4``."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """Return the part that a text such as ``2/4`` names, or raise ValueError."""
        found = re.fullmatch(r'(\d{1,6})/(\d{1,6})', text)
        part = cls(*map(int, found.groups())) if found else cls(0, 0)
        if not 1 <= part.index <= part.count:
            raise ValueError(f'{text!r} is not a part such as 2/4, the second of four')
        return part

    def __str__(self) -> str:
        return f'{self.index}/{self.count}'

    def of(self, items: Sequence[Item]) -> list[Item]:
        """Return the items of this part: every ``count``-th one, so that parts are alike.

        Raises:
            ValueError: There are none.
        """
        chosen = list(items[self.index - 1 :: self.count])
        if not chosen:
            raise ValueError(f'part {self} is empty: there are only {len(items)} videos')
        return chosen
