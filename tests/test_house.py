"""Check the structure of the package: imports run down, no circles, a light, harmless import.

The folders of the tests mirror those of the package, and tests share helpers through fixtures.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import r2vos_mm

ROOT = Path(r2vos_mm.__file__).parent
TESTS = Path(__file__).parent
# Tests of programs and of damaged inputs, which belong to no single folder of the package.
WIDE_TESTS = {'test_tools', 'test_fuzz'}
PACKAGE = 'r2vos_mm'
# Rooms from the ground up. A room may import those of the floors below it, and its own; rooms of
# one floor do not import each other, except on the ground floor.
FLOORS = [
    {'utils', 'compat', 'registry', 'version'},
    {'structures'},
    {'datasets', 'models', 'evaluation', 'visualization'},
    {'engine'},
    {'converters', 'refshapes', 'data_prep'},
    {'apis'},
    {'serve', 'report', 'batch'},
    {'cli'},
]


@cache
def modules() -> dict[str, Path]:
    """Files of the package by module name."""
    found = {}
    for path in sorted(ROOT.rglob('*.py')):
        parts = [PACKAGE, *path.relative_to(ROOT).with_suffix('').parts]
        found['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
    return found


def is_package(module: str) -> bool:
    return modules()[module].name == '__init__.py'


@cache
def exports(package: str) -> dict[str, str]:
    """Modules by the names that a package's ``__init__`` takes from them, lazily or not."""
    names = {}
    for node in ast.walk(ast.parse(modules()[package].read_text())):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name: base_of(node, package) for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith('attach'):
            for key, listed in zip(node.args[1].keys, node.args[1].values):
                module = ast.literal_eval(key)
                own = module if module.startswith(f'{PACKAGE}.') else f'{package}.{module}'
                if isinstance(listed, ast.Attribute):  # such as hooks.__all__
                    names |= exports(own)
                else:
                    names |= dict.fromkeys(ast.literal_eval(listed), own)
    return names


def base_of(node: ast.ImportFrom, package: str) -> str:
    """Absolute name of the module after ``from``."""
    above = package.split('.')[: len(package.split('.')) - node.level + 1] if node.level else []
    return '.'.join([*above, *([node.module] if node.module else [])])


def resolve(base: str, name: str | None = None) -> str | None:
    """Module that ``from base import name`` takes its name from; None outside the package."""
    if base != PACKAGE and not base.startswith(f'{PACKAGE}.'):
        return None
    if f'{base}.{name}' in modules():
        return f'{base}.{name}'
    assert base in modules(), f'{base} is imported and does not exist'
    origin = exports(base).get(name) if is_package(base) else None
    return resolve(origin, name) if origin else base


def imported(module: str) -> Iterator[tuple[int, str]]:
    """Line and defining module of each import of the package, those inside functions too."""
    package = module if is_package(module) else module.rpartition('.')[0]
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        targets = []
        if isinstance(node, ast.Import):
            targets = [resolve(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = base_of(node, package)
            targets = [resolve(base, alias.name) for alias in node.names]
        for target in targets:
            if target not in (None, module):
                yield node.lineno, target


def all_imports() -> Iterator[tuple[str, int, str]]:
    for module in modules():
        for line, target in imported(module):
            yield module, line, target


def test_imports_are_read():
    """Inside functions, through the lists of packages, and relative ones."""
    found = {(module, target) for module, _, target in all_imports()}
    package = f'{PACKAGE}.visualization'
    assert (f'{PACKAGE}.compat.resave', f'{PACKAGE}.utils.checkpoint') in found
    assert (f'{PACKAGE}.engine.hooks.visualization_hook', f'{package}.views') in found
    assert (f'{package}.panels', f'{package}.style') in found


def room(module: str) -> str:
    return module.split('.')[1] if '.' in module else ''


def floor(name: str) -> int:
    return next(i for i, rooms in enumerate(FLOORS) if name in rooms)


def test_every_room_has_its_floor():
    rooms = {room(module) for module in modules()} - {''}
    assert rooms <= set().union(*FLOORS)


def test_imports_run_down():
    wrong = []
    for module, line, target in all_imports():
        a, b = room(module), room(target)
        if not a or not b or a == b:
            continue
        if floor(b) > floor(a) or floor(a) == floor(b) > 0:
            wrong.append(f'{modules()[module].relative_to(ROOT)}:{line} imports {target}')
    assert not wrong, '\n'.join(wrong)


def cycle(edges: dict[str, set[str]]) -> list[str]:
    """One cycle of a directed graph, its first node repeated at the end; empty if there is none."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for target in sorted(edges.get(node, ())):
            if found := visit(target, [*path, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(edges) if (found := visit(node, []))), [])


def test_a_cycle_is_found():
    assert cycle({'a': {'b'}, 'b': {'c'}, 'c': {'b'}}) == ['b', 'c', 'b']
    assert cycle({'a': {'b', 'c'}, 'b': {'c'}}) == []


@pytest.mark.parametrize('depth', [2, 3, 4])
def test_nothing_imports_in_a_circle(depth):
    """Rooms (depth 2), then their sub-folders and single files, then those of sub-folders.

    A package's ``__init__`` may list names of its files and sub-folders.
    """
    edges: dict[str, set[str]] = {}
    for module, _, target in all_imports():
        source, target = ('.'.join(name.split('.')[:depth]) for name in (module, target))
        if source != target and not is_package(module):
            edges.setdefault(source, set()).add(target)
    assert not cycle(edges)


def test_evaluation_imports_no_datasets():
    wrong = [m for m, _, t in all_imports() if room(m) == 'evaluation' and room(t) == 'datasets']
    assert not wrong


def test_tests_mirror_the_package():
    """Each folder with modules has a folder with tests, and each such folder has modules."""
    files = [path for path in modules().values() if path.name != '__init__.py']
    folders = {path.relative_to(ROOT).parent.parts for path in files} - {()}
    tests = {path.relative_to(TESTS).parent.parts for path in TESTS.rglob('test_*/**/test_*.py')}
    mirrored = {tuple(f'test_{part}' for part in folder) for folder in folders}
    assert {folder for folder in tests if folder[0] not in WIDE_TESTS} == mirrored


def test_helpers_of_tests_are_fixtures():
    """No test imports another one."""
    wrong = []
    for path in TESTS.rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module or ''] if isinstance(node, ast.ImportFrom) else []
            wrong += [f'{path.name}: {name}' for name in names if name.startswith('test_')]
    assert not wrong


def run_python(code: str) -> str:
    """Standard output of a fresh interpreter that imports this copy of the package."""
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_is_light():
    """At most 0.3 CPU seconds; three times as much is allowed for busy machines."""
    code = """
import resource, sys
import r2vos_mm
used = resource.getrusage(resource.RUSAGE_SELF)
print(sorted({'torch', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'numpy', 'cv2'} & set(sys.modules)))
print(used.ru_utime + used.ru_stime)
"""
    heavy, seconds = run_python(code).splitlines()
    assert heavy == '[]'
    assert float(seconds) < 0.9


def test_importing_all_rooms_changes_nothing_of_others():
    """Loaders of checkpoints, loggers, filters of warnings, threads and the environment stay."""
    code = """
import logging, os, warnings
import r2vos_mm.utils.lazy  # mmdet needs the placeholder of mmcv._ext
import cv2, mmdet.models, mmengine.runner, mmseg.models, torch, transformers
from mmengine.logging import MMLogger
from mmengine.runner.checkpoint import CheckpointLoader

def state():
    return dict(
        # but the prefix of this package's own checkpoints
        loaders={k: v for k, v in CheckpointLoader._schemes.items() if 'r2vos_' not in k},
        loggers=(MMLogger.filter, MMLogger.__init__, logging.Logger.filter),
        root=(logging.root.level, list(logging.root.handlers), list(logging.root.filters)),
        transformers=transformers.logging.get_verbosity(),
        warnings=list(warnings.filters),
        threads=(cv2.getNumThreads(), torch.get_num_threads()),
        precision=(torch.get_float32_matmul_precision(), torch.get_default_dtype()),
        environment=dict(os.environ),
    )

before = state()
r2vos_mm.utils.register_all_modules(init_default_scope=False)
for room in ('apis', 'converters'):
    r2vos_mm.utils.lazy.load_all(f'r2vos_mm.{room}')
import r2vos_mm.data_prep, r2vos_mm.refshapes
after = state()
print([name for name in before if before[name] != after[name]])
"""
    assert run_python(code) == '[]'
