"""Parse options and report errors and progress in command-line tools, without importing torch."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar('T')

_LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
_SECONDS_BETWEEN_LINES = 10.0


class UserError(Exception):
    """An error whose message is all the user needs: tools print it without a traceback.

    Attributes:
        status: exit status of the tool.
    """

    status = 2


class UsageError(UserError, ValueError):
    """A mistake in the command line or in a config."""


@contextmanager
def short_errors() -> Iterator[None]:
    """Print mistakes of the user in one line and exit with its status; other errors pass.

    Ctrl-C exits with status 130. The process group, if there is one, is left at the end: a process
    that exits with a live group of gloo may abort while its threads are torn down.
    """
    try:
        yield
    except (UserError, FileNotFoundError) as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(getattr(error, 'status', 2))
    except KeyboardInterrupt:
        print('stopped', file=sys.stderr)
        sys.exit(130)
    finally:
        torch = sys.modules.get('torch')
        if torch and torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser that describes its tool by the docstring of the module, as it is laid out."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``, to be read by :func:`cfg_options`."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        default=[],
        metavar='KEY=VALUE',
        help='settings that override the config: optim_wrapper.optimizer.lr=1e-4 key="[a,b]" '
        'key="[(a,b),(c,d)]" (quotes needed, no white space)',
    )


def cfg_options(items: Sequence[str]) -> dict[str, Any]:
    """Read ``key=value`` strings as MMEngine's ``DictAction`` does.

    Raises:
        UsageError: one has no ``=``.
    """
    from mmengine.config import DictAction

    for item in items:
        if '=' not in item:
            raise UsageError(f'--cfg-options {item}: settings have the form KEY=VALUE')
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='*', action=DictAction, default={})
    return parser.parse_args(['--cfg-options', *items]).cfg_options


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing share."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    add_cfg_options(parser)
    parser.add_argument('--launcher', choices=_LAUNCHERS, default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def existing_file(path: str | Path, *, what: str) -> str:
    """Return ``path`` if it names a file or a URL.

    Raises:
        UsageError: it names nothing; the message lists files of the same kind beside it.
    """
    if '://' in str(path) or Path(path).is_file():
        return str(path)
    folder = Path(path).parent
    siblings = sorted(p.name for p in folder.glob(f'*{Path(path).suffix}'))[:12]
    hint = f'; {folder} has {", ".join(siblings)}' if siblings else ''
    raise UsageError(f'{what} {path} does not exist{hint}')


class Progress:
    """Progress of a slow loop on stderr, with the time left.

    On a terminal one line is redrawn; elsewhere a line is written at the start, after the first
    step, and then about every ten seconds.

    Args:
        total: number of steps.
        what: noun for the steps, such as ``'videos'``.
    """

    def __init__(self, total: int, what: str) -> None:
        self.total, self.what = total, what
        self._start = self._shown = time.monotonic()
        self._write(0)

    def update(self, done: int) -> None:
        """Tell that ``done`` steps are done."""
        now = time.monotonic()
        is_due = now - self._shown >= _SECONDS_BETWEEN_LINES or done in (1, self.total)
        if is_due or sys.stderr.isatty():
            self._shown = now
            self._write(done)

    def _write(self, done: int) -> None:
        spent = time.monotonic() - self._start
        left = f'{spent / done * (self.total - done):.0f} s left' if done else 'starting'
        text = f'{done}/{self.total} {self.what}, {spent:.0f} s, {left}'
        on_terminal = sys.stderr.isatty() and done < self.total
        lead = '\r\033[K' if sys.stderr.isatty() else ''
        print(lead + text, end='' if on_terminal else '\n', file=sys.stderr, flush=True)


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """Iterate over ``items`` with :class:`Progress`."""
    bar = Progress(len(items), what)
    for done, item in enumerate(items, start=1):
        yield item
        bar.update(done)
