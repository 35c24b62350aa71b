"""Fixtures that all tests share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_sets import write_set

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


@pytest.fixture
def tiny_set(tmp_path: Path) -> Path:
    """Root of the set of :data:`tiny_sets.VIDEOS`, split ``train``."""
    return write_set(tmp_path / 'tiny')


@pytest.fixture
def warnings_logged(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Function that gives the messages logged so far by data sets and readers."""
    messages: list[str] = []

    def note(message: object, *args: object, **kwargs: object) -> None:
        messages.append(str(message))

    monkeypatch.setattr('r2vos_mm.utils.logging.log', note)
    return lambda: messages
