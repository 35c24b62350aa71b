"""Scoring masks on disk needs neither torch nor MMEngine, MMDetection or MMCV."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mask_sets

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'evaluate_masks.py'
RUN = """
import contextlib, runpy, sys
sys.argv = sys.argv[1:]
with contextlib.suppress(SystemExit):
    runpy.run_path(sys.argv[0], run_name='__main__')
loaded = {'torch', 'mmengine', 'mmdet', 'mmcv', 'mmseg', 'scipy', 'cv2'} & set(sys.modules)
print(f'loaded: {sorted(loaded)}')
"""


def test_scoring_of_png_files(tmp_path: Path):
    mask_sets.write_truth(tmp_path)
    predictions = mask_sets.write_predictions(tmp_path / 'predictions')
    done = subprocess.run(
        [sys.executable, '-c', RUN, str(TOOL), str(predictions), str(tmp_path / 'Annotations'),
         '--expressions', str(tmp_path / 'meta_expressions.json'), '--processes', '1',
         '--csv', str(tmp_path / 'pairs.csv'), '--json', str(tmp_path / 'report.json'),
         '--groups', 'no_target', 'presence', 'visa'],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == 'loaded: []', done.stderr
    assert 'protocol per_expression' in done.stdout
