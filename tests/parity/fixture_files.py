"""Read fixtures, with errors that name the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


class FixtureError(ValueError):
    """A file that is no fixture of the kind asked for; the message names it and what it lacks."""


class Entries(dict):
    """A dict of a fixture, nested ones included, that says where it lacks an entry.

    Args:
        content: the dict read.
        where: its place in messages, the file first.

    Raises:
        FixtureError: when an entry is asked for that is not there.
    """

    def __init__(self, content: dict, where: str) -> None:
        super().__init__(
            {key: _named(value, f'{where}[{key!r}]') for key, value in content.items()}
        )
        self._where = where

    def __missing__(self, key: object) -> Any:
        raise FixtureError(
            f'{self._where} has no entry {key!r}, only {", ".join(map(repr, list(self)[:8]))}; '
            'is it a fixture of that kind?'
        )


def _named(value: Any, where: str) -> Any:
    """``value`` with its dicts made :class:`Entries`."""
    if isinstance(value, dict):
        return Entries(value, where)
    if isinstance(value, (list, tuple)):
        return type(value)(_named(item, f'{where}[{index}]') for index, item in enumerate(value))
    return value


def read_fixture(path: Path) -> Entries:
    """Read a fixture without running code from it.

    Raises:
        FixtureError: the file is absent, damaged or holds no dict.
    """
    if not path.is_file():
        raise FixtureError(f'no such file: {path}')
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    # A damaged file can fail anywhere in unpickling, with nearly any exception.
    except Exception as error:
        reason = (str(error).splitlines() or ['no message'])[0]
        raise FixtureError(
            f'{path} cannot be read ({type(error).__name__}: {reason}); it is damaged or no fixture'
        ) from error
    if not isinstance(content, dict):
        raise FixtureError(f'{path} holds a {type(content).__name__}, but a fixture is a dict')
    return Entries(content, str(path))
