"""A sheet with one row per model and one column per question."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parents[2]
VIDEO = str(ROOT / 'configs' / 'samples' / 'refshapes.mp4')


def test_rows_are_models_and_columns_are_questions(tmp_path: Path) -> None:
    """Two equal models have equal rows, between margins and with one gap; the answers differ."""
    out, gap = tmp_path / 'sheet.png', 6
    command = [sys.executable, 'tools/analysis_tools/compare_models.py', '--device', 'cpu']
    command += ['--ask', VIDEO, 'the large red square', '--ask', VIDEO, 'a dog']
    command += ['--model', 'tiny', 'r2vos_tiny', '-'] * 2
    subprocess.run([*command, '--out', out], cwd=ROOT, check=True, capture_output=True)
    sheet = cv2.imread(str(out))
    height, rest = divmod(len(sheet) - 3 * gap, 2)
    assert rest == 0
    first, second = sheet[gap : gap + height], sheet[-gap - height : -gap]
    np.testing.assert_array_equal(first, second)
    width, rest = divmod(sheet.shape[1] - 3 * gap, 2)
    assert rest == 0
    assert (first[:, gap : gap + width] != first[:, -gap - width : -gap]).any()
