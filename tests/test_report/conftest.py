"""Two runs on one tiny set."""

from pathlib import Path

import pytest
from report_runs import write_data, write_run


@pytest.fixture(scope='session')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='session')
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Run ``good`` moves masks by one column, run ``bad`` by three, with a gate at 0.7."""
    root = tmp_path_factory.mktemp('runs')
    good = write_run(root / 'good', data)
    return good, write_run(root / 'bad', data, shift=3, threshold=0.7)
