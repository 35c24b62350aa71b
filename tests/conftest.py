"""Fixtures that all tests share."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger
from tiny_sets import write_set

import r2vos_mm  # noqa: F401  (makes mmdet and mmseg importable before any test imports them)


@pytest.fixture(autouse=True)
def _closed_streams() -> None:
    """Remove log handlers of earlier tests, whose captured streams are closed."""
    for logger in MMLogger._instance_dict.values():
        for handler in [*logger.handlers]:
            if getattr(getattr(handler, 'stream', None), 'closed', False):
                logger.removeHandler(handler)


@pytest.fixture(scope='session', autouse=True)
def _no_network() -> Iterator[None]:
    """Fail on any connection of this process that leaves the machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in ('127.0.0.1', '::1', 'localhost'):
            raise AssertionError(f'a test connects to {address}')
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, 'connect', guarded)
        yield


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


@pytest.fixture(scope='module')
def browser() -> Iterator:
    """A headless browser; skips the test where there is none."""
    from browser import open_browser

    with open_browser() as browser:
        yield browser


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


@pytest.fixture(scope='session')
def frames() -> np.ndarray:
    """(5, 48, 80, 3) uint8 RGB: a red square moves right over blue."""
    video = np.full((5, 48, 80, 3), (20, 40, 200), np.uint8)
    for index, frame in enumerate(video):
        frame[16:32, 8 + 10 * index : 24 + 10 * index] = (220, 30, 30)
    return video


@pytest.fixture
def folder(tmp_path, frames) -> Path:
    """Folder with the frames as 8.png .. 12.png, whose order by letters is another."""
    path = tmp_path / 'clip'
    path.mkdir()
    for number, frame in enumerate(frames, start=8):
        cv2.imwrite(str(path / f'{number}.png'), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return path


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report how many fuzz cases were tried."""
    fuzzing = sys.modules.get('fuzzing')
    if fuzzing is not None and fuzzing.OUTCOMES:
        counts = ', '.join(f'{count} {name}' for name, count in sorted(fuzzing.OUTCOMES.items()))
        terminalreporter.write_line(f'fuzz cases: {fuzzing.OUTCOMES.total()} ({counts})')
