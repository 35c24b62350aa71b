"""Options of ``r2vos predict --manifest``; runs are tested beside ``label_collection``."""

from pathlib import Path

import pytest

from r2vos_mm.cli.main import main


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((), '--manifest needs --out'),
        (('--out', 'out', '--max-failures', '-1'), '-1 is not a whole number from 0 up'),
    ],
)
def test_mistakes(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(['predict', '--manifest', str(tmp_path / 'jobs.jsonl'), *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
