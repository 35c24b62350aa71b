"""Options, errors and progress of command-line tools."""

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clocks import clock_like
from mmengine.logging import MMLogger
from torch.utils.data import DataLoader, Dataset

from r2vos_mm.utils import cli
from r2vos_mm.utils.cli import (
    Progress,
    UsageError,
    cfg_options,
    existing_file,
    short_errors,
    user_message,
)
from r2vos_mm.utils.data_issues import DataFileError


def test_settings_are_read_as_mmengine_reads_them() -> None:
    parser = argparse.ArgumentParser()
    cli.add_cfg_options(parser)
    args = parser.parse_args(['--cfg-options', 'a.b=1', 'c=[1,x]', '--cfg-options', 'd=True'])
    assert cfg_options(args.cfg_options) == {'a.b': 1, 'c': [1, 'x'], 'd': True}
    assert cfg_options(parser.parse_args([]).cfg_options) == {}


def test_a_setting_without_value_is_named() -> None:
    with pytest.raises(UsageError, match='--cfg-options max_iters: settings have the form'):
        cfg_options(['a=1', 'max_iters'])


def test_a_missing_file_is_named_with_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / 'other.py').touch()
    assert existing_file(tmp_path / 'other.py', what='Config') == str(tmp_path / 'other.py')
    assert existing_file('https://example.org/a.pth', what='C') == 'https://example.org/a.pth'
    with pytest.raises(UsageError, match=r'Config .*a.py does not exist; .* has other.py'):
        existing_file(tmp_path / 'a.py', what='Config')


@pytest.mark.parametrize(
    ('error', 'status', 'message'),
    [
        (UsageError('--size is at least 1'), 2, 'error: --size is at least 1\n'),
        (FileNotFoundError('a.json does not exist'), 2, 'error: a.json does not exist\n'),
        (KeyboardInterrupt(), 130, 'stopped\n'),
    ],
)
def test_errors_of_users_take_one_line(
    error: BaseException, status: int, message: str, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as exit_info, short_errors():
        raise error
    assert exit_info.value.code == status
    assert capsys.readouterr().err == message


def raised_in(folder: Path, code: str) -> None:
    """Run the code of a file in a folder."""
    (folder / 'tool.py').write_text(code)
    exec(compile(code, str(folder / 'tool.py'), 'exec'), {})


@pytest.mark.parametrize(
    ('code', 'message'),
    [
        ("raise ValueError(\n    '--size is odd'\n)", 'error: --size is odd'),
        ("raise KeyError('no row x')", 'error: no row x'),
        ("open('nowhere/a.txt')", 'error: nowhere/a.txt: No such file or directory'),
        ("try:\n    {}[3]\nexcept KeyError as e:\n    raise ValueError('b') from e", 'error: b'),
        ('import no_such_package', "error: No module named 'no_such_package'"),
        ("raise MemoryError('1 TB')", 'error: out of memory: MemoryError: 1 TB'),
        ('{}[3]', 'error: internal error: KeyError: 3 (tool.py, line 1); run again with --debug'),
        ('import re; re.compile("(")', 'error: internal error: '),
    ],
)
def test_what_is_raised_on_purpose_is_told_and_the_rest_is_a_fault_of_ours(
    code: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setattr(sys, 'argv', [str(tmp_path / 'tool.py')])
    with pytest.raises(SystemExit) as exit_info, short_errors():
        raised_in(tmp_path, code)
    assert exit_info.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith(message)
    assert printed.count('\n') == 1


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit), short_errors(debug=True):
        raise UsageError('--size is at least 1')
    printed = capsys.readouterr().err
    assert printed.startswith('Traceback')
    assert printed.endswith('\nerror: --size is at least 1\n')


def test_errors_of_loaders_are_unwrapped() -> None:
    """PyTorch raises what a worker raised with its traceback as message."""

    class Broken(Dataset):
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> None:
            raise DataFileError('frame a.jpg is\ndamaged')

    with pytest.raises(DataFileError) as caught:
        list(DataLoader(Broken(), num_workers=1))
    assert user_message(caught.value) == 'frame a.jpg is damaged'
    caught.value.__traceback__ = None  # it holds the loader, whose worker would live on


def test_the_log_of_a_run_gets_the_traceback(tmp_path: Path) -> None:
    MMLogger.get_instance('test_short_errors', log_file=str(tmp_path / 'log'))
    with pytest.raises(SystemExit), short_errors():
        {}['a']  # noqa: B018
    assert "KeyError: 'a'" in (tmp_path / 'log').read_text()


def test_anything_can_be_printed(capfd: pytest.CaptureFixture) -> None:
    code = 'from r2vos_mm.utils.cli import *\nwith short_errors(): raise UsageError("\\ud800")'
    subprocess.run([sys.executable, '-c', code], check=False)
    assert capfd.readouterr().err == 'error: \\ud800\n'


SLOW = """
import sys, time
from r2vos_mm.utils.cli import short_errors
with short_errors():
    try:
        print('ready', flush=True)
        {during}
    finally:
        {end}
"""


@pytest.mark.parametrize(
    ('number', 'status', 'end'),
    [
        (signal.SIGINT, 130, 'pass'),
        (signal.SIGTERM, 143, 'pass'),
        (signal.SIGINT, 130, "raise RuntimeError('a worker was stopped')"),
    ],
)
def test_signals_end_a_tool_with_one_line(number: int, status: int, end: str) -> None:
    with started(end) as process:
        process.send_signal(number)
        assert process.communicate(timeout=5)[1] == 'stopped\n'
    assert process.returncode == status


def test_a_second_signal_ends_it_at_once() -> None:
    with started('time.sleep(30)') as process:
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=5)[1] == ''
    assert process.returncode == 130


def test_a_second_signal_ends_a_blocked_tool() -> None:
    """The tool waits for a lock of C, where Python runs no handlers."""
    lock = 'import ctypes; library, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64); '
    lock += 'library.pthread_mutex_lock(lock); library.pthread_mutex_lock(lock)'
    with started('pass', during=lock) as process:
        time.sleep(1)  # until it waits
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == 130


@pytest.mark.parametrize(
    ('work', 'status', 'message'),
    [
        ("print('row\\n' * 100_000)", 141, ''),
        ("print('a row that fits into the buffer')", 141, ''),
        ("raise BrokenPipeError('of a decoder')", 2, 'error: of a decoder\n'),
    ],
)
def test_output_without_a_reader_ends_a_tool(work: str, status: int, message: str) -> None:
    """As in ``r2vos models | head -1``; pipes to other programs are another matter."""
    with started('pass', during=f'import sys; sys.stdin.readline(); {work}') as process:
        if status == 141:
            process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == message
        assert process.wait(5) == status


def test_signals_of_workers_are_not_those_of_the_tool() -> None:
    code = (
        'import os, signal, time\nfrom r2vos_mm.utils.cli import short_errors\n'
        'with short_errors():\n'
        '    for _ in range(3):\n'
        '        pid = os.fork()\n'
        '        if not pid:\n            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))\n'
        '            time.sleep(30)\n'
        '        time.sleep(0.3)\n        os.kill(pid, signal.SIGTERM)\n'
        '        os.waitpid(pid, 0)\n'
        '    print("whole")'
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, 'whole\n')


def started(end: str, *, during: str = 'time.sleep(30)') -> subprocess.Popen:
    """Return a process that waits in the block of a tool, and does ``end`` when it leaves it."""
    command = [sys.executable, '-c', SLOW.format(end=end, during=during)]
    process = subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True)
    assert process.stdout.readline() == 'ready\n'
    return process


def test_errors_of_a_parser_take_one_line(capsys: pytest.CaptureFixture) -> None:
    parser = cli.parser_of('A tool.')
    parser.add_argument('--fps', type=cli.positive(float))
    assert parser.parse_args(['--fps', '2.5', '--debug']).fps == 2.5
    for text in ('inf', 'nan', '0', '-1', 'x'):
        with pytest.raises(SystemExit) as exit_info:
            parser.parse_args(['--fps', text])
        assert exit_info.value.code == 2
        printed = capsys.readouterr().err
        assert printed.startswith(f'error: argument --fps: {text} is not a positive number (see ')
        assert printed.count('\n') == 1


def test_outputs_are_checked_before_they_are_written(tmp_path: Path) -> None:
    cli.check_writable(tmp_path / 'new/folder/a.json', what='--out')
    cli.check_writable(tmp_path / 'new', what='--out', is_folder=True)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / 'file').touch()
    cli.check_writable(tmp_path / 'file', what='--out')
    with pytest.raises(UsageError, match='--out .* is a folder'):
        cli.check_writable(tmp_path, what='--out')
    with pytest.raises(UsageError, match='--out .*file is not a folder'):
        cli.check_writable(tmp_path / 'file', what='--out', is_folder=True)
    for path in (tmp_path / 'file/a.json', '/proc/nowhere/a.json'):
        with pytest.raises(UsageError, match=f'--out {path} cannot be written: '):
            cli.check_writable(path, what='--out')


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time in seconds, to be changed by a test."""
    now = [0.0]
    monkeypatch.setattr(cli, 'time', clock_like(monotonic=lambda: now[0]))
    return now


def test_progress_in_a_file_is_a_line_every_ten_seconds(
    clock: list[float], capsys: pytest.CaptureFixture
) -> None:
    bar = Progress(20, 'videos')
    for done in range(1, 21):
        clock[0] += 3
        bar.update(done)
    lines = capsys.readouterr().err.splitlines()
    # Shown at 0 and 3 s, then 10 s or more after the line before: at 15, 27, 39, 51 s; at the end
    assert [line.split()[0] for line in lines] == [
        '0/20', '1/20', '5/20', '9/20', '13/20', '17/20', '20/20']  # fmt: skip
    assert lines[1] == '1/20 videos, 3 s, 57 s left'


def test_progress_on_a_terminal_redraws_one_line(
    clock: list[float], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    assert list(cli.progress(['a', 'b', 'c'], 'videos')) == ['a', 'b', 'c']
    printed = capsys.readouterr().err
    assert printed.count('\r') == 4
    assert printed.count('\n') == 1
