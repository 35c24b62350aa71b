"""The parity program on files that it cannot compare: they are no numbers above a tolerance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import check_parity
import pytest
import torch
from comparisons import Report
from fixture_files import FixtureError, read_fixture


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Callable:
    """Give the program a comparison that only looks at the fixture: no model is built."""

    def install(look: Callable[[dict], object]) -> None:
        def compare(fixture: dict, name: str) -> Report:
            report = Report(name)
            value = torch.as_tensor(look(fixture))
            report.maps('number', value, torch.zeros_like(value), tolerance=1e-3)
            return report

        monkeypatch.setitem(check_parity._ONE_BY_ONE, 'backbone', compare)

    return install


@pytest.mark.parametrize(('value', 'code'), [(0.0, 0), (1.0, 1)])
def test_exit_code_tells_tolerances_from_files(reads, tmp_path: Path, value: float, code: int):
    reads(lambda fixture: fixture['out']['x'])
    torch.save(dict(out=dict(x=torch.tensor(value))), tmp_path / 'x.pt')
    assert check_parity.main(['backbone', str(tmp_path / 'x.pt')]) == code


def test_foreign_file_is_named_with_the_missing_entry(tmp_path: Path, capsys):
    path = tmp_path / 'foreign.pt'
    torch.save(dict(state_dict=dict(weight=torch.zeros(2))), path)
    assert check_parity.main(['backbone', str(path)]) == 2
    error = capsys.readouterr().err
    assert f'{path} has no entry ' in error
    assert "only 'state_dict'" in error
    assert 'Traceback' not in error


def test_nested_entry_is_named_with_its_place(reads, tmp_path: Path, capsys):
    path = tmp_path / 'cut.pt'
    torch.save(dict(targets=[(dict(boxes=1), dict(valid=2))]), path)
    reads(lambda fixture: fixture['targets'][0][1]['boxes'])
    assert check_parity.main(['backbone', str(path)]) == 2
    assert f"{path}['targets'][0][1] has no entry 'boxes'" in capsys.readouterr().err


def test_optional_entries_stay_optional(tmp_path: Path):
    torch.save(dict(out=dict(a=1)), tmp_path / 'x.pt')
    fixture = read_fixture(tmp_path / 'x.pt')
    assert fixture['out'].get('b', 5) == 5
    assert 'b' not in fixture['out']
    assert fixture == dict(out=dict(a=1))


def test_damaged_and_absent_files_are_named(tmp_path: Path, capsys):
    path = tmp_path / 'damaged.pt'
    torch.save(dict(clip=torch.zeros(100)), path)
    content = path.read_bytes()
    for damaged in (content[:-60], b'no archive', b''):
        path.write_bytes(damaged)
        assert check_parity.main(['r2vos-eval', str(path)]) == 2
        error = capsys.readouterr().err
        assert f'{path} cannot be read' in error
        assert 'Traceback' not in error
    path.unlink()
    assert check_parity.main(['r2vos-eval', str(path)]) == 2
    assert f'no such file: {path}' in capsys.readouterr().err


def test_file_that_holds_no_dict_is_refused(tmp_path: Path):
    torch.save([1, 2], tmp_path / 'list.pt')
    with pytest.raises(FixtureError, match='list.pt holds a list, but a fixture is a dict'):
        read_fixture(tmp_path / 'list.pt')


def test_entry_of_another_type_is_no_exceeded_tolerance(reads, tmp_path: Path, capsys):
    """What went wrong is shown in full: it may also be a mistake of the program."""
    torch.save(dict(out='text'), tmp_path / 'odd.pt')
    reads(lambda fixture: fixture['out']['x'])
    assert check_parity.main(['backbone', str(tmp_path / 'odd.pt')]) == 2
    error = capsys.readouterr().err
    assert 'TypeError' in error
    assert 'odd.pt: not comparable as backbone' in error
