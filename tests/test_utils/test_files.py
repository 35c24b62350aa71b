"""Files are written whole or not at all, and read with errors that name them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from r2vos_mm.utils.files import atomic_path, is_side_file, read_json, write_atomically, write_json


def test_json_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / 'a/b.json'
    write_json(path, ['é'])
    with pytest.raises(TypeError):
        write_json(path, [1, np.float32(1)])
    assert json.loads(path.read_text(encoding='utf-8')) == ['é'] == read_json(path)
    assert [item.name for item in path.parent.iterdir()] == ['b.json']


def test_atomic_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / 'folder' / 'file'
    write_atomically(b'old', path)

    def full(descriptor: int) -> None:
        raise OSError('no space left')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='no space left'):
        write_atomically(b'new', path)
    assert path.read_bytes() == b'old'
    assert [p.name for p in path.parent.iterdir()] == ['file']


def test_atomic_path_keeps_the_suffix_and_cleans_up(tmp_path: Path) -> None:
    with atomic_path(tmp_path / 'new' / 'a.png') as temporary:
        assert temporary.suffix == '.png'
        temporary.write_text('x')
        assert not (tmp_path / 'new' / 'a.png').exists()
    assert (tmp_path / 'new' / 'a.png').read_text() == 'x'
    with pytest.raises(KeyError), atomic_path(tmp_path / 'new' / 'a.png') as temporary:
        temporary.write_text({}['y'])
    assert (tmp_path / 'new' / 'a.png').read_text() == 'x'
    assert [p.name for p in (tmp_path / 'new').iterdir()] == ['a.png']


@pytest.mark.parametrize(('text', 'error'), [(None, FileNotFoundError), ('{', ValueError)])
def test_errors_of_reading_name_the_file(
    tmp_path: Path, text: str | None, error: type[Exception]
) -> None:
    path = tmp_path / 'a.json'
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=r'a\.json'):
        read_json(path)


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('__MACOSX/valid/a.jpg', True),
        ('valid/._a.jpg', True),
        ('.DS_Store', True),
        (Path('a/Thumbs.db'), True),
        ('a\\THUMBS.DB', True),
        ('desktop.ini', True),
        ('@eaDir/a.jpg', True),
        ('valid/a.jpg', False),
        ('a/_.jpg', False),
        ('.hidden/.a.jpg', False),
        ('Thumbs.db.png', False),
    ],
)
def test_side_files(name: str | Path, expected: bool) -> None:
    assert is_side_file(name) is expected
