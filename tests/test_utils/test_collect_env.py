"""The report of the environment."""

import subprocess
import sys


def test_versions_and_precision_are_printed() -> None:
    command = [sys.executable, '-m', 'r2vos_mm.utils.collect_env']
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    report = dict(line.split(': ', 1) for line in printed.splitlines() if ': ' in line)
    assert {'r2vos_mm', 'PyTorch', 'mmdet', 'compiled MMCV operators'} <= report.keys()
    assert report["precision 'auto' on cpu"].startswith(('bfloat16 (', 'float32 ('))
    assert report['deformable attention on cpu'] == 'PyTorch'
