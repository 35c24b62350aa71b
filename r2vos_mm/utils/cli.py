"""Parse options and report errors and progress in command-line tools, without importing torch."""

from __future__ import annotations

import argparse
import difflib
import hashlib
import logging
import math
import multiprocessing
import os
import re
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from .parts import Part
from .signals import interrupted_by_signals, is_rank_0

T = TypeVar('T')

_LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
_SECONDS_BETWEEN_LINES = 10.0
_LONGEST_MESSAGE = 2000
_CLOSED_OUTPUT = 141  # 128 + SIGPIPE, as a shell reports it
_PACKAGE = str(Path(__file__).parents[1])
# MMEngine builds every part of a config in this function.
_BUILDER = 'build_from_cfg'
_SETTING_ERRORS = (ValueError, TypeError, LookupError, AttributeError, AssertionError, RuntimeError)


class UserError(Exception):
    """An error whose message is all the user needs: tools print it without a traceback.

    Attributes:
        status: exit status of the tool.
    """

    status = 2


class UsageError(UserError, ValueError):
    """A mistake in the command line or in a config."""


class MissingExtraError(UserError, ImportError):
    """A package that an extra of this one installs is missing."""


@contextmanager
def short_errors(debug: bool = False) -> Iterator[None]:
    """End a tool on an error or signal with one line; ``debug`` also prints the traceback.

    Exit status: 2 after an error (or that of the error), 130 after Ctrl-C, 143 after SIGTERM, 141
    if the reader of the output has ended (as in ``| head``); a second signal ends the process at
    once. The log file of a run also gets the traceback. The process group, if there is one, is left
    at the end: gloo may abort a process that exits with it.
    """
    for stream in (sys.stdout, sys.stderr):  # so that any text can be printed
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors='backslashreplace')
    received: list[int] = []
    try:
        with interrupted_by_signals(lambda number: os._exit(128 + number)) as received:
            yield
            sys.stdout.flush()
    except KeyboardInterrupt:
        _end_stopped(received[0] if received else signal.SIGINT)
    except Exception as error:
        if received:  # libraries may raise their own errors when they are interrupted
            _end_stopped(received[0])
        if isinstance(error, BrokenPipeError) and _output_is_closed():
            sys.exit(_CLOSED_OUTPUT)
        _end_with_error(error, debug=debug)
    finally:
        with suppress(KeyError, AttributeError):  # PyTorch is not, or not completely, imported
            distributed = sys.modules['torch'].distributed
            if distributed.is_available() and distributed.is_initialized():
                if received:  # the other processes may be gone: leave without them
                    os._exit(128 + received[0])
                distributed.destroy_process_group()


def _end_stopped(number: int) -> NoReturn:
    if hasattr(signal, 'SIGCHLD'):  # PyTorch's handler raises when workers of its loaders end
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for process in multiprocessing.active_children():
        process.terminate()
    if is_rank_0():
        print('stopped', file=sys.stderr)
    sys.exit(128 + number)


def _output_is_closed() -> bool:
    """Return whether the reader of the output has ended; discard what is printed from then on."""
    closed = [file for file in (1, 2) if _has_no_reader(file)]  # standard output and error
    for file in closed:  # else the interpreter fails when it flushes them at exit
        with open(os.devnull, 'w') as nowhere:
            os.dup2(nowhere.fileno(), file)
    return bool(closed)


def _has_no_reader(file: int) -> bool:
    poll = select.poll()
    poll.register(file, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _end_with_error(error: Exception, *, debug: bool) -> NoReturn:
    _write_to_log(error)
    if debug:
        traceback.print_exception(error)
    message = user_message(error)
    if message is None:
        place = traceback.extract_tb(error.__traceback__)[-1]
        message = (
            f'internal error: {_own_message(error)} ({Path(place.filename).name}, line '
            f'{place.lineno}); run again with --debug for the traceback, and report it'
        )
    say_once(f'error: {message}')
    sys.exit(getattr(error, 'status', 2))


def _write_to_log(error: Exception) -> None:
    """Write the traceback to the log files of the current run, if there are any."""
    if 'mmengine.logging' not in sys.modules:
        return
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    details = (type(error), error, error.__traceback__)
    record = logger.makeRecord(logger.name, logging.ERROR, '', 0, 'stopped by', (), details)
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(record)


def user_message(error: BaseException) -> str | None:
    """Return one line about an error that the user can fix, or None for faults of the program.

    Users can fix what this package raises on purpose, errors of the system about files and memory,
    and wrong settings of a part that is built from a config.
    """
    chain = [error]
    while following := chain[-1].__cause__ or (
        None if chain[-1].__suppress_context__ else chain[-1].__context__
    ):
        chain.append(following)
    for item in chain:
        if isinstance(item, OSError) and item.strerror and item.filename is not None:
            return f'{item.filename}: {item.strerror}'
        if isinstance(item, MemoryError) or type(item).__name__ == 'OutOfMemoryError':
            return f'out of memory: {_own_message(item)}'
        if isinstance(item, (UserError, OSError, ImportError)) or _is_raised_on_purpose(item):
            return one_line(item)
    built = [
        frame.f_locals.get('obj_type')
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name == _BUILDER
    ]
    if built and isinstance(error, _SETTING_ERRORS):
        part = getattr(built[-1], '__name__', built[-1])
        return f'{part} cannot be built from its settings in the config: {_own_message(error)}'
    return None


def _is_raised_on_purpose(error: BaseException) -> bool:
    """Return whether a ``raise`` statement of this package or the running tool raised it."""
    frames = re.findall(r'File "(.+)", line .*\n +(.*)', str(error))  # of a DataLoader's worker
    if not frames:
        frames = [(f.filename, f.line) for f in traceback.extract_tb(error.__traceback__)]
    folders = (_PACKAGE, str(Path(sys.argv[0]).resolve().parent))
    return bool(frames) and frames[-1][0].startswith(folders) and frames[-1][1].startswith('raise ')


def _own_message(error: BaseException) -> str:
    return f'{type(error).__name__}: {one_line(error)}'


def one_line(error: BaseException) -> str:
    """Return the message of an error in one line, without the quotes of a KeyError."""
    is_key = isinstance(error, KeyError) and len(error.args) == 1
    text = str(error.args[0] if is_key else error)
    if 'Original Traceback' in text:  # a DataLoader's worker raised it
        text = re.split(rf'\n(?:\w+\.)*{type(error).__name__}: ', text)[-1]
    return ' '.join(text.split())[:_LONGEST_MESSAGE]


@contextmanager
def as_usage_error(what: str) -> Iterator[None]:
    """Turn errors that settings cause into a UsageError that begins with ``what``."""
    try:
        yield
    except UserError:
        raise
    except (*_SETTING_ERRORS, OSError, ImportError, SyntaxError, RecursionError) as error:
        raise UsageError(f'{what}: {user_message(error) or _own_message(error)}') from error


class _Parser(argparse.ArgumentParser):
    """A parser whose errors take one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f'error: {message} (see {self.prog} --help)\n')


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with ``--debug`` that shows the docstring of a tool as it is laid out."""
    parser = _Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--debug', action='store_true', help='show tracebacks of errors')
    return parser


def number(kind: Callable[[str], T], what: str, accepts: Callable[[T], bool]) -> Callable:
    """Return a type of options: numbers that ``accepts`` is true for; ``what`` names them."""

    def parse(text: str) -> T:
        with suppress(ValueError):
            if accepts(value := kind(text)):
                return value
        raise argparse.ArgumentTypeError(f'{text} is not {what}')

    return parse


def positive(kind: Callable[[str], T]) -> Callable[[str], T]:
    """Return a type of options: finite numbers above 0, such as ``positive(int)``."""
    return number(kind, 'a positive number', lambda value: math.isfinite(value) and value > 0)


not_negative = number(int, 'a whole number from 0 up', lambda value: value >= 0)
probability = number(float, 'a number from 0 to 1', lambda value: 0 <= value <= 1)


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
        UsageError: one has no ``=``, or its value cannot be read.
    """
    from mmengine.config import DictAction

    options: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition('=')
        if not equals or not key.strip('.'):
            raise UsageError(f'--cfg-options {item}: settings have the form KEY=VALUE')
        try:
            options[key] = DictAction._parse_iterable(value)
        except (AssertionError, IndexError, ValueError) as error:
            raise UsageError(
                f'--cfg-options {item}: the brackets of the value are not closed'
            ) from error
    return options


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing share."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    add_cfg_options(parser)
    parser.add_argument('--launcher', choices=_LAUNCHERS, default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def add_part_option(parser: argparse.ArgumentParser, *, help_text: str) -> None:
    """Add ``--part I/N``, whose value is a :class:`.parts.Part`."""

    def part(text: str) -> Part:
        try:
            return Part.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    parser.add_argument('--part', type=part, metavar='I/N', help=help_text)


def did_you_mean(name: str, known: Iterable[str], *, count: int = 1, cutoff: float = 0.7) -> str:
    """Return a clause that suggests similar names, '' if there are none."""
    close = difflib.get_close_matches(name, sorted(known), n=count, cutoff=cutoff)
    return f'; did you mean {" or ".join(close)}?' if close else ''


def existing_file(path: str | Path, *, what: str) -> str:
    """Return ``path`` if it names a file or a URL.

    Raises:
        UsageError: it names no file; the message lists files of the same kind beside it.
    """
    if '://' in str(path) or Path(path).is_file():
        return str(path)
    if Path(path).exists():
        raise UsageError(f'{what} {path} is not a file')
    folder = Path(path).parent
    siblings = sorted(p.name for p in folder.glob(f'*{Path(path).suffix}'))[:12]
    hint = f'; {folder} has {", ".join(siblings)}' if siblings else ''
    raise UsageError(f'{what} {path} does not exist{hint}')


def check_outputs(args: argparse.Namespace, *names: str, folders: Sequence[str] = ()) -> None:
    """Raise UsageError if an option names a file, or a folder, that cannot be written.

    Args:
        args: the options; those that are None are not checked.
        names: options of files, such as ``'out'``.
        folders: options of folders.
    """
    for name in (*names, *folders):
        if (path := getattr(args, name)) is not None:
            option = f'--{name.replace("_", "-")}'
            check_writable(path, what=option, is_folder=name in folders)


def check_writable(path: str | Path, *, what: str, is_folder: bool = False) -> None:
    """Raise UsageError if a file, or a folder of files, cannot be written at ``path``.

    A temporary file is written to ``path`` or to the nearest existing folder above it.
    """
    path = Path(path)
    if path.exists() and path.is_dir() != is_folder:
        raise UsageError(f'{what} {path} is {"not " if is_folder else ""}a folder')
    folder = path if is_folder else path.parent
    with suppress(OSError):
        while not folder.exists():
            folder = folder.parent
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UsageError(f'{what} {path} cannot be written: {folder}: {error.strerror}') from error


@contextmanager
def messages_on_stderr(active: bool = True) -> Iterator[None]:
    """Print to stderr inside the block, to keep stdout for JSON; existing loggers are unchanged."""
    with redirect_stdout(sys.stderr) if active else nullcontext():
        yield


def say_once(line: str) -> None:
    """Print a line on stderr, once for all processes of one launcher that print the same."""
    error_file = os.environ.get('TORCHELASTIC_ERROR_FILE')  # in a folder of this process
    if error_file:
        printed = Path(error_file).parents[1] / hashlib.sha256(line.encode()).hexdigest()
        try:
            printed.touch(exist_ok=False)
        except FileExistsError:
            return
        except OSError:
            pass
    print(line, file=sys.stderr, flush=True)


class Progress:
    """Progress of a slow loop on stderr, with the time left.

    On a terminal one line is redrawn; elsewhere one is written about every ten seconds.

    Args:
        total: number of steps.
        what: noun for the steps, such as ``'videos'``.
    """

    def __init__(self, total: int, what: str) -> None:
        self.total, self.what = total, what
        self._start = self._shown = time.monotonic()
        self._write(0)

    def update(self, done: int) -> None:
        """Report that ``done`` steps are done."""
        now = time.monotonic()
        is_due = now - self._shown >= _SECONDS_BETWEEN_LINES or done in (1, self.total)
        if is_due or sys.stderr.isatty():
            self._shown = now
            self._write(done)

    def _write(self, done: int) -> None:
        spent = time.monotonic() - self._start
        left = f'{spent / done * (self.total - done):.0f} s left' if done else 'starting'
        text = f'{done}/{self.total} {self.what}, {spent:.0f} s, {left}'
        self.show_line(text, is_last=done >= self.total)

    def show_line(self, text: str, *, is_last: bool) -> None:
        """Write a line on stderr; on a terminal, replace the previous one."""
        on_terminal = sys.stderr.isatty() and not is_last
        lead = '\r\033[K' if sys.stderr.isatty() else ''
        print(lead + text, end='' if on_terminal else '\n', file=sys.stderr, flush=True)


def progress(items: Sequence[T], what: str) -> Iterator[T]:
    """Iterate over ``items`` with :class:`Progress`."""
    bar = Progress(len(items), what)
    for done, item in enumerate(items, start=1):
        yield item
        bar.update(done)
