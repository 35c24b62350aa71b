"""A submission through tools/test.py: killed in the middle, gone on with, whole in the end."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from r2vos_mm.refshapes import make_refshapes
from r2vos_mm.registry import MODELS

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/r2vos_tiny_refshapes.py'
_FILE = ROOT / 'tools' / 'analysis_tools' / 'check_submission.py'
_SPEC = importlib.util.spec_from_file_location('check_submission_tool', _FILE)
check_submission = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(check_submission)
pytestmark = pytest.mark.slow


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """The small model without training."""
    init_default_scope('r2vos_mm')
    model = MODELS.build(Config.fromfile(ROOT / CONFIG).model)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'untrained.pth')
    return tmp_path / 'untrained.pth'


def command(folder: Path, checkpoint: Path, expressions: Path, *options: str) -> list[str]:
    """The command line of a user who wants a submission."""
    return [
        sys.executable, 'tools/test.py', CONFIG, str(checkpoint), '--work-dir', str(folder),
        '--cfg-options', f'test_dataloader.dataset.data_root={folder / "data"}',
        'test_dataloader.dataset.pairs_file=None', 'test_evaluator.format_only=True',
        'test_evaluator.submission.layout=ref_youtube_vos',
        f'test_evaluator.submission.path={folder / "s.zip"}',
        f'test_evaluator.submission.expressions={expressions}', *options]  # fmt: skip


def test_a_killed_submission_is_completed(tmp_path: Path, checkpoint: Path) -> None:
    make_refshapes(
        tmp_path / 'data', splits=dict(valid=8), size=(48, 48), length=2, progress=False, workers=1
    )
    expressions = tmp_path / 'data' / 'meta_expressions' / 'valid' / 'meta_expressions.json'
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    first = subprocess.Popen(
        command(tmp_path, checkpoint, expressions), cwd=ROOT, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    parts = tmp_path / 's.zip.parts' / 'Annotations'
    # The second folder appears when the first video is done.
    while len(list(parts.glob('*'))) < 2 and first.poll() is None:
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert not (tmp_path / 's.zip').exists()

    left, options = tmp_path / 'left.json', ['--layout', 'ref_youtube_vos']
    options = [str(tmp_path / 's.zip'), *options, '--expressions', str(expressions)]
    check_submission.main([*options, '--remaining', str(left)])
    remaining = set(json.loads(left.read_text())['videos'])
    whole = set(json.loads(expressions.read_text())['videos']) - remaining
    assert remaining
    assert whole
    done = [path for video in whole for path in parts.glob(f'{video}/*/*')]
    times = {path: path.stat().st_mtime_ns for path in done}

    again = f'test_dataloader.dataset.ann_file={left}'
    second = subprocess.run(
        command(tmp_path, checkpoint, expressions, again), cwd=ROOT, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert second.returncode == 0, second.stdout[-3000:] + second.stderr[-3000:]
    assert f'Iter(test) [{len(remaining)}/{len(remaining)}]' in second.stdout
    assert all(path.stat().st_mtime_ns == value for path, value in times.items())
    check_submission.main([*options, '--images', str(tmp_path / 'data' / 'valid' / 'JPEGImages')])
    with zipfile.ZipFile(tmp_path / 's.zip') as archive:
        assert {name.split('/')[1] for name in archive.namelist()} == whole | remaining
