"""Modules that read annotations, pairs files and masks load without torch and OpenMMLab."""

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / 'r2vos_mm'
LIGHT_UTILS = (
    'data_issues',
    'formats.expressions',
    'files',
    'logging',
    'masks_io',
    'formats.pairs',
    'formats.ref_ytvos_valid202',
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
    modules += ['r2vos_mm.data_prep.r2_pairs', 'r2vos_mm.data_prep.r2_pairs_source']
    assert len(modules) > 15
    done = subprocess.run(
        [sys.executable, '-c', CODE, *modules], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def _imports(module: str, modules: dict[str, Path]) -> set[str]:
    """Modules of datasets/ that a module of it imports."""
    package, found = module.split('.')[:-1], set()
    for node in ast.walk(ast.parse(modules[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module or '').split('.')]
            names = ['.'.join(filter(None, [*base, *more])) for more in ([], *_aliases(node))]
            found |= set(names) & modules.keys()
    return found


def _aliases(node: ast.ImportFrom) -> list[list[str]]:
    return [[alias.name] for alias in node.names]


def test_data_sets_have_four_floors() -> None:
    root = PACKAGE / 'datasets'
    modules = {
        '.'.join(path.relative_to(root).with_suffix('').parts): path
        for path in root.rglob('*.py')
        if path.name != '__init__.py'
    }

    def floor(module: str) -> int:
        return 1 + max((floor(other) for other in _imports(module, modules)), default=0)

    floors = {module: floor(module) for module in modules}
    assert floors['records'] == 1
    assert floors['base_referring_dataset'] == 2
    assert max(floors.values()) == 4
