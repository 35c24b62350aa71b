"""Keep OpenCV's threads out of forked processes."""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Use no threads of OpenCV inside the block; processes forked inside inherit that.

    Threads do not survive a fork, but OpenCV's pool still counts on them: in a process forked after
    OpenCV worked in parallel, the next call that touches the pool never returns,
    ``cv2.setNumThreads`` included. The pool must be shut down before the fork.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
