"""A sheet with one row per model and one column per question."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parents[2]
VIDEO = str(ROOT / 'configs' / 'samples' / 'refshapes.mp4')


def test_rows_are_models_and_columns_are_questions(tmp_path: Path) -> None:
    """A second model makes the sheet twice as high; what both draw is equal for equal models."""
    sheets = {}
    for count in (1, 2):  # the same model twice
        out = tmp_path / f'{count}.png'
        asked = [VIDEO, 'the large red square', VIDEO, 'a dog']
        command = [sys.executable, 'tools/analysis_tools/compare_models.py', '--device', 'cpu']
        command += ['--ask', *asked[:2], '--ask', *asked[2:]]
        command += ['--model', 'tiny', 'r2vos_tiny', '-'] * count
        subprocess.run([*command, '--out', out], cwd=ROOT, check=True, capture_output=True)
        sheets[count] = cv2.imread(str(out))
    gap = 6
    assert len(sheets[2]) - gap == 2 * (len(sheets[1]) - gap)
    rows = len(sheets[1])
    np.testing.assert_array_equal(sheets[2][:rows], sheets[1])
    np.testing.assert_array_equal(sheets[2][-rows:], sheets[1])
    left, right = np.array_split(sheets[1], 2, axis=1)
    assert (left != right[:, : left.shape[1]]).any()
