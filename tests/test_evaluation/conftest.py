"""What the tests of the metrics share."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope='session')
def yardstick() -> ModuleType:
    """The benchmark tool, which holds J and F written down from their definition."""
    path = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'benchmark_metrics.py'
    spec = importlib.util.spec_from_file_location('benchmark_metrics', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
