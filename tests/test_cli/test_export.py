"""``r2vos export``: names of files, and the exit status of a comparison."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from r2vos_mm.apis import model_export
from r2vos_mm.apis.model_export import Comparison, OutputDifference
from r2vos_mm.cli import export
from r2vos_mm.cli.command import run_command

ARGUMENTS = ('configs/r2vos_tiny_refshapes.py', 'model.pth')


@pytest.mark.parametrize(('tolerance', 'status'), [('0.01', 0), ('0.0001', 1)])
def test_status_of_a_comparison(
    tolerance: str,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    rows = [
        OutputDifference('video', 'masks', 0.25, 0.001),
        OutputDifference('random', 'scores', 0.0, 0.0),
    ]
    examples = [SimpleNamespace(inputs={})]

    def write(network: object, inputs: dict, path: Path, *, format: str) -> None:
        path.write_bytes(b'12' * 10**6)

    monkeypatch.setattr(export, 'build_model', lambda args: SimpleNamespace(cfg=None))
    monkeypatch.setattr(model_export, 'WindowNetwork', lambda model, text: None)
    monkeypatch.setattr(model_export, 'read_example_frames', lambda *args, **options: None)
    monkeypatch.setattr(model_export, 'export_examples', lambda *args: examples)
    monkeypatch.setattr(model_export, 'export_model', write)
    monkeypatch.setattr(model_export, 'compare_export', lambda *args: Comparison(rows, 2.0, 0.5))
    out = str(tmp_path / 'model.onnx')
    assert run_command(export, [*ARGUMENTS, out, '--check', '--tolerance', tolerance]) == status
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0] == f'wrote {out}: 2.0 MB'
    assert printed.out.splitlines()[2].split() == ['video', 'masks', '2.50e-01', '1.00e-03']
    assert 'one full window: 2.000 s in PyTorch, 0.500 s from the file' in printed.out
    assert printed.err == ('error: a difference exceeds 0.0001\n' if status else '')


def test_suffix_and_format_agree(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for more in (['m.pth'], ['m.pt2', '--format', 'onnx']):
        with pytest.raises(SystemExit) as caught:
            run_command(export, [*ARGUMENTS, *more])
        assert caught.value.code == 2
        assert '.pt2 or .onnx names the format' in capsys.readouterr().err
