"""The notebook of the documentation runs, and what it prints is what it shows."""

import re
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / 'docs/notebooks/first_steps.ipynb'


def test_the_notebook_runs(tmp_path: Path) -> None:
    for package in ('nbclient', 'nbformat', 'ipykernel'):
        pytest.importorskip(package, reason="notebooks need pip install 'r2vos_mm[notebook]'")
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    shown = printed(notebook)
    NotebookClient(notebook, timeout=300, resources=dict(metadata=dict(path=tmp_path))).execute()
    assert 'a cup of coffee: in the video (0.9' in shown
    assert 'a dog: not in the video (0.' in shown
    assert 'image/png' in str(notebook.cells)  # the drawn frame
    assert without_decimals(printed(notebook)) == without_decimals(shown)


def without_decimals(text: str) -> list[str]:
    """Return all lines but logs, without probabilities, which devices round differently."""
    return [re.sub(r'0\.\d+', '', line) for line in text.splitlines() if 'mmengine' not in line]


def printed(notebook: dict) -> str:
    """Return what the cells print on standard output."""
    outputs = [output for cell in notebook.cells for output in cell.get('outputs', ())]
    return ''.join(output.text for output in outputs if output.get('name') == 'stdout')
