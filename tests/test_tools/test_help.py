"""The help of every tool appears at once: nothing heavy is imported before arguments are parsed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / 'tools').rglob('*.py')
    if "__name__ == '__main__'" in path.read_text(encoding='utf-8')
)
HEAVY = ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'transformers', 'matplotlib', 'scipy')
# Runs a tool with --help; prints its CPU seconds and the heavy packages that it imported.
RUN = f"""
import pathlib, runpy, sys, time
sys.argv = [sys.argv[1], '--help']
sys.path[:0] = [str(pathlib.Path(sys.argv[0]).parent), {str(ROOT)!r}]
try:
    runpy.run_path(sys.argv[0], run_name='__main__')
finally:
    print(time.process_time(), *(name for name in {HEAVY} if name in sys.modules))
"""


@pytest.mark.parametrize('tool', TOOLS)
def test_help_is_light(tool: str) -> None:
    command = [sys.executable, '-c', RUN, str(ROOT / tool)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert 'usage: ' in result.stdout
    assert '--debug ' in result.stdout
    seconds, *imported = result.stdout.splitlines()[-1].split()
    assert imported == []
    assert float(seconds) < 1.5
