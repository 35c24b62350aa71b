import threading
import time

import pytest

from r2vos_mm.apis.streaming.windows import WindowsAhead, WindowsOnDemand


def numbers(windows):
    return [[number for number, _ in window] for window in windows]


@pytest.mark.parametrize('kind', [WindowsOnDemand, WindowsAhead])
@pytest.mark.parametrize(
    ('count', 'expected'),
    [(0, []), (2, [[0, 1]]), (3, [[0, 1, 2]]), (7, [[0, 1, 2], [3, 4, 5], [6]])],
)
def test_the_last_window_is_shorter(kind, count, expected):
    with kind(range(count), 3) as windows:
        assert numbers(windows) == expected


@pytest.mark.parametrize('kind', [WindowsOnDemand, WindowsAhead])
@pytest.mark.parametrize(('count', 'expected'), [(4, [[0, 1, 2], [3]]), (3, [[0, 1, 2]])])
def test_an_error_comes_after_the_frames_before_it(kind, count, expected):
    def frames():
        yield from range(count)
        raise OSError('gone')

    found = []
    with kind(frames(), 3) as windows, pytest.raises(OSError, match='gone'):
        found.extend(windows)
    assert numbers(found) == expected


def test_the_source_waits_for_a_slow_consumer():
    produced = []

    def frames():
        for number in range(20):
            produced.append(number)
            yield number

    with WindowsAhead(frames(), 4) as windows:
        iterator = iter(windows)
        next(iterator)
        deadline = time.monotonic() + 5
        while len(produced) < 9 and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.05)
        # One window is taken, one is in the queue, and one frame waits.
        assert len(produced) == 9
        assert numbers(iterator) == [
            [4, 5, 6, 7],
            [8, 9, 10, 11],
            [12, 13, 14, 15],
            [16, 17, 18, 19],
        ]
        assert windows.num_dropped == 0


def test_a_full_queue_drops_the_oldest():
    is_produced = threading.Event()

    def frames():
        yield from range(10)
        is_produced.set()

    with WindowsAhead(frames(), 3, latest_only=True) as windows:
        is_produced.wait(5)
        assert numbers(windows) == [[7, 8, 9]]
        assert windows.num_dropped == 7


def test_closing_does_not_wait_for_a_stuck_source():
    released = threading.Event()

    def frames():
        yield 0
        released.wait(30)

    start = time.monotonic()
    with WindowsAhead(frames(), 1) as windows:
        assert numbers([next(iter(windows))]) == [[0]]
    assert time.monotonic() - start < 5
    released.set()


def test_closing_ends_a_thread_that_waits():
    is_closed = threading.Event()

    def frames():
        try:
            yield from range(100)
        finally:
            is_closed.set()

    with WindowsAhead(frames(), 2):
        pass
    assert is_closed.wait(5)
