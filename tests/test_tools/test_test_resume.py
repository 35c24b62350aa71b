"""A test that is killed or stopped by a broken file continues with the videos it has done."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from r2vos_mm.refshapes import make_refshapes
from r2vos_mm.registry import MODELS

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/r2vos_tiny_refshapes.py'
NUM_VIDEOS = 6
ENVIRONMENT = {**os.environ, 'OMP_NUM_THREADS': '1'}
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with six small videos and an untrained checkpoint."""
    root = tmp_path_factory.mktemp('spool')
    splits = dict(valid=NUM_VIDEOS)
    make_refshapes(root / 'data', splits=splits, size=(48, 48), length=2, progress=False, workers=1)
    init_default_scope('r2vos_mm')
    model = MODELS.build(Config.fromfile(ROOT / CONFIG).model)
    torch.save({'state_dict': model.state_dict()}, root / 'untrained.pth')
    return root


def command(root: Path, folder: Path, *options: str) -> list[str]:
    return [
        sys.executable, 'tools/test.py', CONFIG, str(root / 'untrained.pth'),
        '--work-dir', str(folder), '--out', str(folder / 'metrics.json'), str(folder / 'p.pkl'),
        '--cfg-options', f'test_dataloader.dataset.data_root={root / "data"}',
        f'test_evaluator.csv_path={folder / "pairs.csv"}', *options]  # fmt: skip


def run(line: Sequence[str]) -> subprocess.CompletedProcess:
    return subprocess.run(line, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)


def results(folder: Path) -> tuple[bytes, str, str]:
    """Return the content of the three files; those of a pickle as text."""
    predictions = pickle.loads((folder / 'p.pkl').read_bytes())
    predictions = repr([sorted(video.items()) for video in predictions])
    return (folder / 'pairs.csv').read_bytes(), predictions, (folder / 'metrics.json').read_text()


def spooled(folder: Path) -> set[str]:
    return {path.name for path in (folder / 'test_spool').glob('[0-9]*.pth')}


@pytest.fixture(scope='module')
def unbroken(root: Path) -> tuple[bytes, str, str]:
    folder = root / 'unbroken'
    result = run(command(root, folder))
    assert result.returncode == 0, result.stderr[-3000:]
    assert not (folder / 'test_spool').exists()
    return results(folder)


def kill_after(line: Sequence[str], folder: Path, count: int) -> None:
    process = subprocess.Popen(
        line, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while len(spooled(folder)) < count and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_killed_and_broken(root: Path, tmp_path: Path, unbroken: tuple) -> None:
    """A test killed, then stopped by a broken frame, ends with the files of an unbroken one."""
    kill_after(command(root, tmp_path), tmp_path, 2)
    done = len(spooled(tmp_path))
    assert 2 <= done < NUM_VIDEOS

    frame = sorted((root / 'data' / 'valid' / 'JPEGImages').glob('*/*.jpg'))[-1]
    whole = frame.read_bytes()
    frame.write_bytes(whole[:40])
    try:
        result = run(command(root, tmp_path))
    finally:
        frame.write_bytes(whole)
    assert result.returncode != 0
    assert frame.name in result.stderr
    assert f'{done} of {NUM_VIDEOS} videos are done' in result.stdout
    assert done < (done := len(spooled(tmp_path))) < NUM_VIDEOS

    result = run(command(root, tmp_path))
    assert result.returncode == 0, result.stderr[-3000:]
    assert f'{done} of {NUM_VIDEOS} videos are done' in result.stdout
    assert results(tmp_path) == unbroken
    assert not (tmp_path / 'test_spool').exists()
