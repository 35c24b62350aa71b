"""Modules that read annotations, pairs files and masks load without torch and OpenMMLab."""

import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / 'r2vos_mm'
LIGHT_UTILS = (
    'data_issues',
    'expressions_file',
    'files',
    'logging',
    'masks_io',
    'pairs_file',
    'ref_ytvos_valid202',
)
CODE = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    heavy = {'torch', 'mmengine', 'mmcv', 'mmdet', 'mmseg'} & set(sys.modules)
    assert not heavy, f'{name} imports {sorted(heavy)}'
"""


def test_readers_need_neither_torch_nor_mmengine() -> None:
    modules = ['r2vos_mm.datasets.records', *(f'r2vos_mm.utils.{name}' for name in LIGHT_UTILS)]
    for folder in ('io', 'pairs'):
        files = sorted((PACKAGE / 'datasets' / folder).glob('*.py'))
        modules += [f'r2vos_mm.datasets.{folder}.{path.stem}' for path in files]
    assert len(modules) > 15
    done = subprocess.run(
        [sys.executable, '-c', CODE, *modules], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
