"""Packing a folder into an LMDB database on the command line."""

from pathlib import Path

import pytest

from r2vos_mm.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / 'set/a').mkdir(parents=True)
    (tmp_path / 'set/a/b.jpg').write_bytes(b'123')
    return tmp_path / 'set'


def test_numbers_are_printed(folder: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip('lmdb', reason='lmdb is not installed: r2vos_mm[lmdb]')
    out = folder.parent / 'out.lmdb'
    assert main(['data', 'lmdb', str(folder), str(out)]) == 0
    written = capsys.readouterr().out.splitlines()
    assert written[0] == f'{out} written: 1 files, 3 bytes'
    assert main(['data', 'lmdb', '--check', str(out)]) == 0
    checked = capsys.readouterr().out.splitlines()
    assert checked == [f'{out} is intact: 1 files, 3 bytes', written[1]]


@pytest.mark.parametrize(('arguments', 'named'), [
    (('{set}',), 'give FOLDER and OUT'),
    (('{none}', '{out}'), '{none} is not a folder'),
    (('{set}', '{set}'), '{set} exists'),
    (('--check', '{none}'), '{none}'),
])  # fmt: skip
def test_mistakes(arguments, named, folder: Path, capsys: pytest.CaptureFixture) -> None:
    names = {name: str(folder.parent / name) for name in ('set', 'none', 'out')}
    with pytest.raises(SystemExit) as caught:
        main(['data', 'lmdb', *(text.format(**names) for text in arguments)])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert named.format(**names) in error or 'lmdb is not installed' in error
