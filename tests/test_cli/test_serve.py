"""The command r2vos serve: the page of a real process, its end, and mistakes."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

import pytest
from scripts import exit_status

from r2vos_mm.cli.main import main

pytest.importorskip('uvicorn', reason='the extra web is not installed')


def test_serves_until_ctrl_c(tmp_path):
    command = [sys.executable, '-m', 'r2vos_mm.cli', 'serve', '--port', '0', '--device', 'cpu']
    command += ['--model', 'r2vos_tiny_refshapes']
    environment = dict(os.environ, TMPDIR=str(tmp_path))
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        address = re.match(r'(http://127\.0\.0\.1:\d+/)', server.stdout.readline())[1]
        with urlopen(address) as answer:
            assert b'R\xc2\xb2VOS' in answer.read()
        with urlopen(f'{address}api/about') as answer:
            assert b'only knows the drawn shapes' in answer.read()
        assert len(list(tmp_path.glob(f'r2vos-serve-{server.pid}-*'))) == 1
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 130
        assert not list(tmp_path.glob('r2vos-serve-*'))
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--port', '99999'], 'ports are numbers from 0 to 65535'),
        (['--host', '192.0.2.1'], 'cannot listen at 192.0.2.1'),
        (['--max-frames', '0'], 'not a positive number'),
        (['--frames-per-pass', '0'], '--frames-per-pass must be at least 1'),
        (['--model', 'nothing'], 'nothing'),
        (['--model', 'r2vos_r50'], '--checkpoint'),
    ],
)
def test_mistakes_take_one_line(options, message, capsys, monkeypatch):
    monkeypatch.setattr('r2vos_mm.cli.serve.build_model', lambda args: None)
    assert exit_status(main, ['serve', *options]) == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if 'error' in line]
    assert message in line
    assert not list(Path(tempfile.gettempdir()).glob(f'r2vos-serve-{os.getpid()}-*'))
