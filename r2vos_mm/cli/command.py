"""Run the module of a sub-command: parse its options, report its errors in one line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Protocol

from r2vos_mm.utils.cli import parser_of, short_errors


class Command(Protocol):
    """Interface of the modules of commands; their docstrings are the texts of ``--help``."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments; imports nothing heavy."""

    def run(self, args: argparse.Namespace) -> int | None:
        """Do the work; return the exit status, None for 0."""


def run_command(
    command: Command,
    arguments: Sequence[str] | None = None,
    *,
    prog: str | None = None,
) -> int:
    """Run the module of a command and return its exit status.

    ``arguments`` are by default those of the process, ``prog`` is the name of the running script.

    Raises:
        SystemExit: after an error or a signal, see :func:`r2vos_mm.utils.cli.short_errors`.
    """
    parser = parser_of(command.__doc__)
    if prog is not None:
        parser.prog = prog
    command.add_arguments(parser)
    args = parser.parse_args(arguments)
    with short_errors(args.debug):
        return command.run(args) or 0
