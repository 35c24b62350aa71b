"""Options of ``r2vos predict --manifest``; runs are tested beside ``label_collection``."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from r2vos_mm.apis import collection
from r2vos_mm.cli.main import main


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ((), '--manifest needs --out'),
        (('--out', 'out', '--max-failures', '-1'), '-1 is not a whole number from 0 up'),
        (('--out', 'out', '--save', 'json'), '--save does not apply to --manifest'),
        (('--out', 'out', '--fps', '6'), '--fps does not apply to --manifest'),
        (
            ('--out', 'out', '--engine', 'slurm', '--processes', '2'),
            '--processes does not apply to --engine slurm',
        ),
    ],
)
def test_mistakes(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(['predict', '--manifest', str(tmp_path / 'jobs.jsonl'), *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('option', 'value'),
    [('engine', 'local'), ('processes', '1'), ('max-frames', '9'), ('max-failures', '0')],
)
def test_options_without_a_manifest(option: str, value: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(['predict', 'a.mp4', 'a dog', f'--{option}', value])
    assert caught.value.code == 2
    assert f'--{option} needs --manifest' in capsys.readouterr().err


@pytest.mark.parametrize(('failed', 'status'), [(2, 2), (1, 0)])
def test_status(
    failed: int,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    """A run is of no use if no video could be segmented; the counts are printed all the same."""
    summary = dict(in_manifest=2, videos=2, failed=failed, rows=2 - failed, shards=1)
    monkeypatch.setattr(collection, 'label_collection', lambda *_, **__: summary)
    with pytest.raises(SystemExit) if status else nullcontext() as caught:
        main(['predict', '--manifest', str(tmp_path), '--out', str(tmp_path / 'out')])
    printed = capsys.readouterr()
    assert f'2 of 2 videos, {failed} failed' in printed.out
    if status:
        assert caught.value.code == status
        assert 'error: no video could be segmented: see ' in printed.err
