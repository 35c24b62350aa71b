"""Options, errors and progress of command-line tools."""

import argparse
import sys
from pathlib import Path

import pytest

from r2vos_mm.utils import cli
from r2vos_mm.utils.cli import Progress, UsageError, cfg_options, existing_file, short_errors


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


def test_other_errors_pass() -> None:
    with pytest.raises(ZeroDivisionError), short_errors():
        1 / 0  # noqa: B018


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time in seconds, to be changed by a test."""
    now = [0.0]
    monkeypatch.setattr(cli.time, 'monotonic', lambda: now[0])
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
