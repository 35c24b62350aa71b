"""Read frames in a thread into a bounded queue, from which windows are taken."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np

NumberedFrame = tuple[int, np.ndarray]

_SECONDS_TO_STOP = 2.0  # a camera that gives no frame cannot be interrupted


class FrameReader:
    """A thread that reads frames ahead of the model.

    Args:
        frames: where frames come from; it is iterated over, and closed, in the thread.
        window: number of frames that are taken together, and that the queue holds.
        latest_only: when the queue is full, drop the oldest frame, so that each window holds the
            latest frames. Otherwise the reader waits, and the source with it.

    Attributes:
        num_dropped: number of frames that were dropped so far.
    """

    def __init__(
        self, frames: Iterable[np.ndarray], *, window: int, latest_only: bool = False
    ) -> None:
        self.window, self.latest_only, self.num_dropped = window, latest_only, 0
        self._queue: deque[NumberedFrame] = deque()
        self._changed = threading.Condition()
        self._has_ended = self._is_closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run, args=(frames,), name='r2vos-frames', daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[list[NumberedFrame]]:
        """Yield windows of (number, frame), the last one shorter.

        Raises:
            Exception: what the source raised, after the frames before it.
        """
        while window := self._take():
            yield window
            if len(window) < self.window:
                break
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop reading; the thread closes the source."""
        with self._changed:
            self._is_closed = True
            self._queue.clear()
            self._changed.notify_all()
        self._thread.join(_SECONDS_TO_STOP)

    def _take(self) -> list[NumberedFrame]:
        """Return the next window; fewer frames when the source has ended."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._queue) >= self.window or self._has_ended)
            count = min(self.window, len(self._queue))
            window = [self._queue.popleft() for _ in range(count)]
            self._changed.notify_all()
        return window

    def _run(self, frames: Iterable[np.ndarray]) -> None:
        iterator = iter(frames)
        try:
            for number, frame in enumerate(iterator):
                if not self._put((number, frame)):
                    break
        except BaseException as error:  # raised again where the windows are taken
            self._error = error
        finally:
            if hasattr(iterator, 'close'):
                iterator.close()
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _put(self, item: NumberedFrame) -> bool:
        """Append a frame to the queue; False if the reader was closed."""
        with self._changed:
            if self.latest_only:
                if len(self._queue) == self.window:
                    self._queue.popleft()
                    self.num_dropped += 1
            else:
                self._changed.wait_for(lambda: len(self._queue) < self.window or self._is_closed)
            if not self._is_closed:
                self._queue.append(item)
                self._changed.notify_all()
            return not self._is_closed


def windows_of(frames: Iterable[np.ndarray], window: int) -> Iterator[list[NumberedFrame]]:
    """Yield what :class:`FrameReader` does, reading frames only when a window is asked for."""
    iterator, error = enumerate(frames), None
    while error is None:
        part: list[NumberedFrame] = []
        try:
            while len(part) < window:
                part.append(next(iterator))
        except Exception as found:  # StopIteration, or what the source raised
            error = found
        if part:
            yield part
    if not isinstance(error, StopIteration):
        raise error
