"""Extracting frames: nothing of the user's is removed, and no video takes the place of another."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from r2vos_mm.cli.command import run_command
from r2vos_mm.cli.data import frames


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A folder of two frames, which is read like a video."""
    folder = tmp_path / 'clip'
    folder.mkdir()
    for name in ('00000', '00001'):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / f'{name}.jpg')
    return folder


def test_an_interrupted_extraction_starts_anew(tmp_path: Path, clip: Path) -> None:
    draft = tmp_path / 'out/.clip.part'
    draft.mkdir(parents=True)
    (draft / '00007.jpg').write_bytes(b'')
    frames.extract(clip, tmp_path / 'out', 1)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['clip']
    assert sorted(path.name for path in (tmp_path / 'out').rglob('*.jpg')) == [
        '00000.jpg',
        '00001.jpg',
    ]


def test_a_folder_of_others_is_kept(tmp_path: Path, clip: Path) -> None:
    mine = tmp_path / 'out/.clip.part/mine.txt'
    mine.parent.mkdir(parents=True)
    mine.write_text('x')
    with pytest.raises(FileExistsError, match='is not of an earlier run'):
        frames.extract(clip, tmp_path / 'out', 1)
    assert mine.exists()


def test_videos_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('sys.argv', ['x', 'a/clip.mp4', 'b/clip.avi', '--out', 'out'])
    with pytest.raises(SystemExit) as stop:
        run_command(frames)
    assert stop.value.code == 2
    assert 'a/clip.mp4 and b/clip.avi would both be clip' in capsys.readouterr().err
