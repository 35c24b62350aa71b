"""Print a script that lets a shell complete the command line of ``r2vos``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from r2vos_mm.utils.cli import UsageError, parser_of

from .command import Command


def completion_script(commands: Mapping[str, Command], *, prog: str, shell: str) -> str:
    """Return the script of a shell.

    Args:
        commands: modules of the sub-commands by name.
        prog: name of the program.
        shell: bash, zsh or tcsh.

    Raises:
        UsageError: shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise UsageError('--print-completion needs shtab: pip install shtab') from error
    return shtab.complete(whole_parser(commands, prog=prog, files=shtab.FILE), shell)


def whole_parser(
    commands: Mapping[str, Command], *, prog: str, files: Mapping[str, str]
) -> argparse.ArgumentParser:
    """Return one parser of the sub-commands; it is for completion, not for parsing.

    A name that continues that of another command (``score submission``) is omitted: shtab
    takes what follows ``score`` for its arguments.

    Args:
        commands: modules of the sub-commands by name.
        prog: name of the program.
        files: value with which shtab completes the names of files.
    """
    parser = parser_of(None)
    parser.prog = prog
    groups = {'': parser.add_subparsers()}
    for name, command in commands.items():
        group, _, last = name.rpartition(' ')
        if group in commands:
            continue
        if group not in groups:
            # shtab omits parsers without help.
            groups[group] = groups[''].add_parser(group, help=group).add_subparsers()
        own = groups[group].add_parser(last, help=last)
        command.add_arguments(own)
        for action in own._actions:
            if action.nargs != 0 and action.choices is None and action.type in (None, Path):
                action.complete = files
    return parser
