"""Lazy packages import their modules on first access and register everything when asked."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import r2vos_mm.datasets
from r2vos_mm.utils import lazy
from r2vos_mm.utils.cli import MissingExtraError

PACKAGE = Path(r2vos_mm.__file__).parent


def test_names_are_resolved_once() -> None:
    get, names, public = lazy.attach('r2vos_mm.utils', {'files': ['read_json']})
    assert names() == public == ['read_json']
    assert get('read_json') is get('read_json')
    with pytest.raises(AttributeError, match=r"'r2vos_mm\.utils' has no attribute 'other'"):
        get('other')


def test_a_missing_extra_is_named() -> None:
    with pytest.raises(
        MissingExtraError, match=r"^nowhere is not installed: .*'r2vos_mm\[export\]'"
    ):
        lazy.import_extra('nowhere', 'export')


def test_import_of_the_package_is_light() -> None:
    code = (
        'import sys, time; start = time.process_time(); import r2vos_mm, r2vos_mm.datasets;'
        'print(time.process_time() - start, [m for m in ("torch", "mmengine") if m in sys.modules])'
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    seconds, modules = result.stdout.split(maxsplit=1)
    assert modules.strip() == '[]'
    assert float(seconds) < 0.3


def test_every_registering_module_is_found() -> None:
    """A class that no public name leads to would be missing from the registries."""
    code = (
        'import sys; from r2vos_mm.utils import register_all_modules; register_all_modules(False);'
        'print(*(m for m in sys.modules if m.startswith("r2vos_mm")))'
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    imported = set(result.stdout.split())
    registering = {
        _module_name(path)
        for path in PACKAGE.rglob('*.py')
        if 'register_module' in {getattr(n, 'attr', None) for n in ast.walk(_tree(path))}
    }
    assert registering - imported == set(), result.stderr


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf-8'))


def _module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix('').parts
    return '.'.join(('r2vos_mm', *(part for part in parts if part != '__init__')))
