"""Fixtures of the tests of datasets."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from tiny_sets import write_set

# Examples are the same in every run, and none fails because the machine is busy.
settings.register_profile('datasets', deadline=None, derandomize=True)
settings.load_profile('datasets')


@pytest.fixture
def tiny_set(tmp_path: Path) -> Path:
    """Root of the set of :data:`tiny_sets.VIDEOS`, split ``train``."""
    return write_set(tmp_path / 'tiny')


@pytest.fixture
def warnings_logged(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Function that gives the messages logged so far by the datasets."""
    messages: list[str] = []

    def note(message: object, *args: object, **kwargs: object) -> None:
        messages.append(str(message))

    for module in ('base_referring_dataset', 'negatives', 'problems'):
        monkeypatch.setattr(f'r2vos_mm.datasets.{module}.print_log', note)
    return lambda: messages
