"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest

import r2vos_mm  # noqa: F401  (makes mmdet and mmseg importable before any test imports them)


@pytest.fixture(scope='session')
def test_data() -> Path:
    """Folder of reference data; tests that need it are skipped where it is not given."""
    value = os.environ.get('R2VOS_TEST_DATA')
    if not value:
        pytest.skip('R2VOS_TEST_DATA does not name the folder of reference data')
    folder = Path(value)
    if not folder.is_dir():
        pytest.skip(f'R2VOS_TEST_DATA names {folder}, which is not a folder')
    return folder
