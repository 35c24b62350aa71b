"""The command ``r2vos``: finding sub-commands, their help, versions and mistakes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import TOOLS, exit_status

from r2vos_mm.cli.main import COMMANDS, command_in, main
from r2vos_mm.version import __version__

HEAVY = ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'transformers', 'matplotlib', 'scipy')
# Prints the help of all commands; then CPU seconds and the heavy packages that were imported.
HELP = f"""
import sys, time
from r2vos_mm.cli.main import COMMANDS, main
for words in ([], ['data'], *map(str.split, COMMANDS)):
    try:
        main([*words, '--help'])
    except SystemExit as stop:
        assert stop.code == 0, words
print(time.process_time(), *(name for name in {HEAVY} if name in sys.modules))
"""


def test_help_of_all_commands_is_light() -> None:
    """All together take less than one may."""
    result = subprocess.run([sys.executable, '-c', HELP], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for name in COMMANDS:
        assert f'usage: r2vos {name} ' in result.stdout
    seconds, *imported = result.stdout.splitlines()[-1].split()
    assert imported == []
    assert float(seconds) < 1.5


def test_every_command_is_listed(capsys: pytest.CaptureFixture) -> None:
    assert exit_status(main, ['--help']) == 0
    lines = [line.split('  ')[1] for line in capsys.readouterr().out.splitlines() if '  ' in line]
    assert set(COMMANDS) <= set(lines)


def test_the_longest_name_is_found() -> None:
    assert command_in(['score', 'submission', 'a.zip']) == 'score submission'
    assert command_in(['score', 'pred', 'gt']) == 'score'
    assert command_in(['data', 'check', 'mevis']) == 'data check'
    assert command_in(['data']) is None
    assert command_in(['--debug', 'score']) is None


def test_version(capsys: pytest.CaptureFixture) -> None:
    assert exit_status(main, ['--version']) == 0
    assert capsys.readouterr().out == f'r2vos {__version__}\n'


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('', 'required: COMMAND (see r2vos --help)'),
        ('predicct a b', "invalid choice: 'predicct'"),
        ('data prepar', "invalid choice: 'prepar'"),
        ('data', 'required: COMMAND (see r2vos data --help)'),
        ('train', 'required: config (see r2vos train --help)'),
        ('train r2vos_tini', 'a listed model; did you mean r2vos_tiny'),
        ('train r2vos_mm::r2vos/nowhere.py', 'configs/r2vos/nowhere.py does not exist'),
        ('models nowhere', "no model has 'nowhere' in its name"),
        ('predict nowhere.mp4 x --gate-threshold 2', '--gate-threshold: 2 is not a number from 0'),
        ('predict nowhere.mp4 x --model r2vos_r50', '--config requires the --checkpoint'),
        ('compare', 'required: RUN (see r2vos compare --help)'),
        ('compare nowhere', 'nowhere: No such file or directory'),
        ('compare pyproject.toml', 'pyproject.toml is not a CSV of pairs'),
        ('compare nowhere --worst -1', '--worst must not be negative'),
        ('compare nowhere --out tests', '--out tests is a folder'),
        ('predict nowhere.mp4 x', 'nowhere.mp4 does not exist'),
        ('data check other', 'other needs --data-root'),
        ('calibrate r2vos_tiny nowhere.pth x', 'Checkpoint nowhere.pth does not exist'),
        ('convert publish nowhere.pth a.pth', 'nowhere.pth'),
        ('data veval', 'required: {write,read} (see r2vos data veval --help)'),
        ('data veval write other --out a.json', 'other needs --data-root'),
        ('data r2-davis --expressions nowhere.json', 'nowhere.json'),
        ('data r2-davis --expressions x --negatives-per-kind 0', '0 is not a positive number'),
        ('--print-completion fish', "invalid choice: 'fish'"),
    ],
)
def test_mistakes(line: str, message: str, capsys: pytest.CaptureFixture) -> None:
    assert exit_status(main, line.split()) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith('error: ')
    assert message in last


# Completes the words of a line as bash does when TAB is pressed.
COMPLETE = """
source "$0"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_shtab_r2vos
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope='module')
def completion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script of bash."""
    pytest.importorskip('shtab', reason='completion needs shtab')
    line = [sys.executable, '-m', 'r2vos_mm.cli', '--print-completion', 'bash']
    script = tmp_path_factory.mktemp('completion') / 'r2vos.bash'
    script.write_bytes(subprocess.run(line, capture_output=True, check=True).stdout)
    return script


@pytest.mark.parametrize(
    ('line', 'completed'),
    [
        ('r2vos pre', {'predict'}),
        ('r2vos data re', {'refshapes'}),
        ('r2vos data pairs --kind ', {'easy', 'swap', 'hard'}),
        ('r2vos train --res', {'--resume'}),
        ('r2vos predict a.', {'a.mp4'}),
        ('r2vos score a.', {'a.mp4'}),
    ],
)
def test_completion(line: str, completed: set[str], completion: Path, tmp_path: Path) -> None:
    (tmp_path / 'a.mp4').touch()
    command = ['bash', '-c', COMPLETE, str(completion), *line.split(' ')]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(result.stdout.split()) == completed


def test_completion_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, 'shtab', None)
    assert exit_status(main, ['--print-completion', 'zsh']) == 2
    assert 'needs shtab: pip install shtab' in capsys.readouterr().err


def test_tools_call_the_commands() -> None:
    """No tool has logic of its own where there is a command."""
    called = set()
    for path in TOOLS.rglob('*.py'):
        if 'r2vos_mm.cli.command' in (text := path.read_text()):
            called.add(path.name)
            assert text.count('\ndef ') == 1
    assert {'train.py', 'test.py', 'demo.py', 'evaluate_masks.py', 'prepare.py'} <= called


def test_module_can_be_run(tmp_path: Path) -> None:
    line = [sys.executable, '-m', 'r2vos_mm.cli', 'models', 'r2vos_tiny_refshapes', '--json']
    result = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, check=True)
    [model] = json.loads(result.stdout)
    assert Path(model['weights']).is_file()
    assert Path(model['config']).is_file()
    assert model['metrics']['J&F'] > 50
