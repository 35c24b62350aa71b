"""The pinned versions lie within the ranges of setup.py."""

import re
import runpy
from pathlib import Path

import pytest
import setuptools
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PIN = re.compile(r'([A-Za-z0-9_.-]+)==(\S+)$')


@pytest.fixture
def packaging(monkeypatch: pytest.MonkeyPatch) -> dict:
    """Arguments that setup.py passes to setuptools."""
    arguments: dict = {}
    monkeypatch.setattr(setuptools, 'setup', arguments.update)
    runpy.run_path(str(ROOT / 'setup.py'))
    return arguments


@pytest.fixture
def pins() -> dict[str, str]:
    """Versions in requirements/constraints.txt, and that of torch in tools/setup_env.sh."""
    lines = (ROOT / 'requirements' / 'constraints.txt').read_text().splitlines()
    found = {m[1].lower(): m[2] for m in map(PIN.match, lines) if m is not None}
    script = (ROOT / 'tools' / 'setup_env.sh').read_text()
    found['torch'] = re.search(r'^TORCH=(\S+)$', script, re.MULTILINE)[1]
    return found


def test_pins_lie_within_ranges(packaging: dict, pins: dict[str, str]) -> None:
    wanted = [*packaging['install_requires'], *packaging['extras_require']['lite']]
    for requirement in map(Requirement, [*wanted, *packaging['extras_require']['tests']]):
        assert pins[requirement.name.lower()] in requirement.specifier, requirement


def test_nothing_requires_a_form_of_mmcv_or_torchvision(packaging: dict) -> None:
    names = {Requirement(text).name for text in packaging['install_requires']}
    assert not names & {'mmcv', 'mmcv-lite', 'onedl-mmcv', 'torchvision', 'timm'}


def test_all_direct_requirements_are_pinned(pins: dict[str, str]) -> None:
    for name in ('base.txt', 'tests.txt'):
        lines = (ROOT / 'requirements' / name).read_text().splitlines()
        missing = {line for line in lines if line and line[0] != '#'} - pins.keys()
        assert not missing


def test_packages_are_found(packaging: dict) -> None:
    assert {'r2vos_mm', 'r2vos_mm.compat', 'r2vos_mm.engine.hooks'} <= set(packaging['packages'])
    assert not any(name.split('.')[0] in ('tests', 'tools') for name in packaging['packages'])
