"""Files are written whole or not at all, and read with errors that name them."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from r2vos_mm.utils import files
from r2vos_mm.utils.files import (
    DiskFullError,
    atomic_path,
    folder_names,
    in_any_case,
    is_side_file,
    read_bytes,
    read_json,
    remove_own_folder,
    stems,
    write_atomically,
    write_json,
)


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


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-32'])
def test_byte_order_marks_and_wide_encodings(tmp_path: Path, encoding: str) -> None:
    (tmp_path / 'a.json').write_bytes('{"é": 1}'.encode(encoding))
    assert read_json(tmp_path / 'a.json') == {'é': 1}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{"a": 1}\n\u00e9'.encode('latin-1'), r'not in UTF-8 \(line 2\): save it as UTF-8'),
        (b'', 'it is empty'),
        (b'{"a": NaN}', 'NaN is not a number of JSON'),
        (b'[-Infinity]', '-Infinity is not a number'),
        (b'[' * 100_000, 'nested too deeply'),
        (b'[' + b'9' * 5_000 + b']', 'limit.*digits'),
        (b'{"v": [{"x": {"0": 1, "0": 2}}]}', "key '0' occurs twice in /v/0/x"),
        (b'{"a": {"b": 1, "b": 2}, "a": 3}', "key 'a' occurs twice in the outermost dict"),
    ],
)
def test_json_that_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / 'a.json').write_bytes(content)
    with pytest.raises(ValueError, match=message) as raised:
        read_json(tmp_path / 'a.json')
    assert 'a.json' in str(raised.value)
    assert len(str(raised.value)) < 500


def test_nan_on_request(tmp_path: Path) -> None:
    (tmp_path / 'a.json').write_text('[NaN]')
    assert np.isnan(read_json(tmp_path / 'a.json', allow_nan=True)[0])


def test_files_without_end_and_large_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / 'pipe')
    (tmp_path / 'zero').symlink_to('/dev/zero')
    for name in ('pipe', 'zero'):
        with pytest.raises(OSError, match='a pipe, a socket or a device'):
            read_bytes(tmp_path / name)
        with pytest.raises(ValueError, match=name):
            read_json(tmp_path / name)
    (tmp_path / 'a.json').write_text('[1, 2]')
    monkeypatch.setattr(files, 'MAX_FILE_BYTES', 5)
    with pytest.raises(ValueError, match=r'a\.json cannot be read \(it has 6 bytes, more than 5'):
        read_json(tmp_path / 'a.json')


def test_names_by_suffix_in_any_case(tmp_path: Path) -> None:
    names = ('a.jpg', 'B.JPG', 'd.Jpg', 'e.jpeg', '._a.jpg', 'c.png', 'Thumbs.db', '.DS_Store')
    for name in names:
        (tmp_path / name).touch()
    assert stems(tmp_path, '.jpg') == {'a', 'B', 'd', 'e'}
    for stem in stems(tmp_path, '.jpg'):
        assert in_any_case(tmp_path / f'{stem}.jpg').name in names
    assert in_any_case(tmp_path / 'B.jpg') == tmp_path / 'B.JPG'
    assert in_any_case(tmp_path / 'a.jpg') == tmp_path / 'a.jpg'
    for name in ('none.jpg', 'none'):
        assert in_any_case(tmp_path / name) == tmp_path / name


def test_a_full_disk_is_named_and_the_old_file_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'a.pth'
    path.write_text('old')

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(DiskFullError, match=rf'the disk mounted at /\S* to write {path}; an older'):
        write_atomically('new', path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ['old']


@pytest.mark.parametrize('other', ['mine.txt', 'folder/1.pth', '1.pt', None])
def test_only_own_folders_are_removed(tmp_path: Path, other: str | None) -> None:
    folder = tmp_path / 'own'
    for name in ('1.pth', 'a.json', '.2.77.tmp.pth', '.DS_Store', *([other] if other else [])):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    if other is None:
        remove_own_folder(folder, '[0-9].pth', '*.json')
        assert not folder.exists()
        remove_own_folder(folder, '*')
        return
    with pytest.raises(FileExistsError, match=f'{other.partition("/")[0]} is not of an earlier'):
        remove_own_folder(folder, '[0-9].pth', '*.json')
    assert len(list(folder.iterdir())) == 5


def test_a_linked_folder_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/1.pth').touch()
    (tmp_path / 'own').symlink_to('other')
    with pytest.raises(FileExistsError, match='is not of an earlier run'):
        remove_own_folder(tmp_path / 'own', '*.pth')
    assert (tmp_path / 'other/1.pth').exists()


def test_names_of_folders(tmp_path: Path) -> None:
    for name in ('a', 'b.jpg', '.hidden', '__MACOSX'):
        (tmp_path / name).mkdir()
    (tmp_path / 'file').touch()
    assert folder_names(tmp_path) == {'a', 'b.jpg'}
    assert folder_names(tmp_path / 'missing') == set()
