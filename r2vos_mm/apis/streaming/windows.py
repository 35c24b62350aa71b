"""Read windows of frames from a source, on demand or ahead in a thread."""

from __future__ import annotations

import threading
from abc import ABCMeta, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

NumberedFrame = tuple[int, np.ndarray]

_SECONDS_TO_STOP = 1.0  # a camera that gives no frame cannot be interrupted


class StreamWindows(metaclass=ABCMeta):
    """Windows of consecutive frames; use it in a ``with`` statement, which closes the source.

    Args:
        length: number of frames in a window.

    Attributes:
        num_dropped: number of frames that were dropped so far.
    """

    num_dropped = 0

    def __init__(self, length: int) -> None:
        self.length = length
        self._error: BaseException | None = None

    def __iter__(self) -> Iterator[list[NumberedFrame]]:
        """Yield windows of (number, frame), the last one shorter.

        Raises:
            Exception: what the source raised, after the frames before it.
        """
        while window := self._take():
            yield window
            if len(window) < self.length:
                break
        if self._error is not None:
            raise self._error

    def __enter__(self) -> StreamWindows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Stop reading and close the source."""

    @abstractmethod
    def _take(self) -> list[NumberedFrame]:
        """Return the next frames; fewer than ``length`` if the source ends or raises."""


class WindowsOnDemand(StreamWindows):
    """Windows whose frames are read when they are asked for.

    Args:
        frames: where frames come from.
        length: number of frames in a window.
    """

    def __init__(self, frames: Iterable[np.ndarray], length: int) -> None:
        super().__init__(length)
        self._iterator = iter(frames)
        self._numbered = enumerate(self._iterator)

    def close(self) -> None:
        """See the base class."""
        _close(self._iterator)

    def _take(self) -> list[NumberedFrame]:
        window: list[NumberedFrame] = []
        try:
            while len(window) < self.length:
                window.append(next(self._numbered))
        except StopIteration:
            pass
        except Exception as error:
            self._error = error
        return window


class WindowsAhead(StreamWindows):
    """Windows whose frames a thread reads into a queue of one window.

    Args:
        frames: where frames come from; it is iterated over, and closed, in the thread.
        length: number of frames in a window.
        latest_only: when the queue is full, drop the oldest frame, so that each window holds the
            latest frames. Otherwise the thread waits, and the source with it.
    """

    def __init__(
        self, frames: Iterable[np.ndarray], length: int, *, latest_only: bool = False
    ) -> None:
        super().__init__(length)
        self.latest_only = latest_only
        self._queue: deque[NumberedFrame] = deque()
        self._changed = threading.Condition()
        self._has_ended = self._is_closed = False
        options = dict(args=(frames,), name='r2vos-frames', daemon=True)
        self._thread = threading.Thread(target=self._run, **options)
        self._thread.start()

    def close(self) -> None:
        """See the base class; a source that does not give its next frame is not waited for."""
        with self._changed:
            self._is_closed = True
            self._queue.clear()
            self._changed.notify_all()
        self._thread.join(_SECONDS_TO_STOP)

    def _take(self) -> list[NumberedFrame]:
        with self._changed:
            self._changed.wait_for(lambda: self._has_ended or self._is_full())
            window = [self._queue.popleft() for _ in range(len(self._queue))]
            self._changed.notify_all()
        return window

    def _run(self, frames: Iterable[np.ndarray]) -> None:
        iterator = iter(frames)
        try:
            for item in enumerate(iterator):
                if not self._put(item):
                    break
        except BaseException as error:  # raised again where the windows are taken
            self._error = error
        finally:
            _close(iterator)
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _put(self, item: NumberedFrame) -> bool:
        """Append a frame to the queue; return False if the windows were closed."""
        with self._changed:
            if self.latest_only and self._is_full():
                self._queue.popleft()
                self.num_dropped += 1
            self._changed.wait_for(lambda: self._is_closed or not self._is_full())
            if not self._is_closed:
                self._queue.append(item)
                self._changed.notify_all()
            return not self._is_closed

    def _is_full(self) -> bool:
        return len(self._queue) >= self.length


def _close(iterator: Iterator) -> None:
    """Close a generator; other iterators have nothing to close."""
    if hasattr(iterator, 'close'):
        iterator.close()
