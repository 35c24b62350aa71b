"""The command line of every tool answers before anything heavy is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / 'tools'
# Runs a tool with --help and tells afterwards which heavy packages were imported.
_RUN = """
import runpy, sys
sys.argv = [sys.argv[1], '--help']
sys.path.insert(0, {root!r})
try:
    runpy.run_path(sys.argv[0], run_name='__main__')
finally:
    heavy = {{'torch', 'transformers', 'mmcv', 'mmdet', 'mmseg'}}
    print('heavy:', *sorted(heavy & set(sys.modules)))
"""


@pytest.mark.parametrize(
    'tool',
    [
        'train', 'test', 'demo', 'analysis_tools/benchmark_dataloader',
        'analysis_tools/benchmark_mask_predictors', 'analysis_tools/benchmark_model',
        'analysis_tools/browse_dataset', 'analysis_tools/get_flops',
        'analysis_tools/refshapes_errors', 'analysis_tools/sanity_baselines',
    ],
)  # fmt: skip
def test_help_imports_nothing_heavy(tool: str) -> None:
    code = _RUN.format(root=str(TOOLS.parent))
    command = [sys.executable, '-c', code, str(TOOLS / f'{tool}.py')]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert 'usage:' in result.stdout
    assert result.stdout.splitlines()[-1] == 'heavy:'
