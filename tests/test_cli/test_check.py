"""``r2vos check``: what is chosen on this machine, and why."""

import json

import cv2
import pytest

from r2vos_mm.cli.main import main


def test_report_for_people_and_machines(capsys: pytest.CaptureFixture) -> None:
    assert main(['check', '--json']) == 0
    info = json.loads(capsys.readouterr().out)
    assert f'opencv {cv2.__version__}' in info['video readers']
    assert 'PyTorch' in info['deformable attention on cpu']
    assert info["precision 'auto' on cpu"].split()[0] in ('bfloat16', 'float32')
    assert main(['check']) == 0
    assert f'video readers: {info["video readers"]}\n' in capsys.readouterr().out
